"""Finds the schema revision that this version needs, without loading Alembic, which takes half a second."""

import re
from pathlib import Path

_VERSIONS = Path(__file__).resolve().parent.parent / "migrations" / "versions"
_REVISION = re.compile(r"^revision\b.*?=\s*['\"](\w+)['\"]", re.MULTILINE)
_BEFORE = re.compile(r"^down_revision\b.*?=\s*(.+)$", re.MULTILINE)


def head() -> str:
    """The head: the one revision without a successor."""
    before = " ".join(_find(_BEFORE))
    (last,) = set(_find(_REVISION)) - set(re.findall(r"\w+", before))
    return last


def _find(what: re.Pattern[str]) -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in _VERSIONS.glob("*.py")]
    return [match[1] for text in texts for match in what.finditer(text)]


def is_newer(revision: str, serves: str, own_head: str) -> bool:
    """Whether the schema `revision` is newer than `own_head` and still compatible with our code.

    Migrations store the list of compatible revisions in the database (see `migrations/env.py`), oldest first and the
    own one last. A revision that we know is not newer, whatever the list says.
    """
    *before, last = serves.split() or [""]
    return last == revision and own_head in before and revision not in _find(_REVISION)
