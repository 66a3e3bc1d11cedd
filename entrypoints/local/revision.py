"""Whether a database needs migrating, without the second that it takes to load what migrates."""

import asyncio
import re
from pathlib import Path

import asyncpg

REVISION = re.compile(r"^revision\b.*?=\s*['\"](\w+)['\"]", re.MULTILINE)
BEFORE = re.compile(r"^down_revision\b.*?=\s*(.+)$", re.MULTILINE)


def is_current(url: str, versions: Path) -> bool:
    """False also where it cannot be told."""
    try:
        return asyncio.run(_applied(url)) == heads(versions)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError):
        return False


def heads(versions: Path) -> set[str]:
    """The revisions that no other one comes after."""
    texts = [path.read_text(encoding="utf-8") for path in versions.glob("*.py")]
    before = " ".join(match for text in texts for match in BEFORE.findall(text))
    return {match for text in texts for match in REVISION.findall(text)} - set(re.findall(r"\w+", before))


async def _applied(url: str) -> set[str]:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return {row["version_num"] for row in await connection.fetch("SELECT version_num FROM alembic_version")}
    finally:
        await connection.close()
