"""Which schema this version of the code needs, by the migrations without the half second that Alembic takes."""

import re
from pathlib import Path

_VERSIONS = Path(__file__).resolve().parent.parent / "migrations" / "versions"
_REVISION = re.compile(r"^revision\b.*?=\s*['\"](\w+)['\"]", re.MULTILINE)
_BEFORE = re.compile(r"^down_revision\b.*?=\s*(.+)$", re.MULTILINE)


def head(versions: Path = _VERSIONS) -> str:
    """The one revision that no other comes after."""
    texts = [path.read_text(encoding="utf-8") for path in versions.glob("*.py")]
    before = " ".join(match[1] for text in texts for match in _BEFORE.finditer(text))
    (last,) = {match[1] for text in texts for match in _REVISION.finditer(text)} - set(re.findall(r"\w+", before))
    return last


def is_newer(found: str, serves: str, ours: str) -> bool:
    """Whether the schema `found` comes after `ours` and still serves its code, as the schema says of itself.

    Migrations keep that list (see `migrations/env.py`): whom it serves, oldest first, and itself at the end.
    """
    *before, last = serves.split() or [""]
    return last == found and ours in before
