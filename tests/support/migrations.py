"""Migration trees of tests."""

import shutil
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

ROOT = Path(__file__).resolve().parents[2]


REVISIONS = [
    revision.revision
    for revision in reversed(
        list(ScriptDirectory.from_config(Config(toml_file=str(ROOT / "pyproject.toml"))).walk_revisions())
    )
]


def tree_with(root: Path, **planted: str) -> Path:
    """A copy of the project with further migrations, one after another: the body of each by its revision."""
    for part in ("adapters", "application", "domain", "entrypoints", "migrations"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for number, (revision, body) in enumerate(planted.items()):
        before = [*REVISIONS, *planted][len(REVISIONS) + number - 1]
        (root / f"migrations/versions/2099010{number}_{revision}.py").write_text(
            f'import sqlalchemy as sa\nfrom alembic import op\nrevision = "{revision}"\ndown_revision = "{before}"\n'
            + body
        )
    return root
