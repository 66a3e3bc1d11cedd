"""Imports rows in batches. Each batch is one transaction."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from application.administration.import_users import ImportIssue, ImportRow
from domain.role import Role
from entrypoints.cli.import_users.files import ReadResult
from entrypoints.container import Container

_LEAST, _FIRST, _MOST = 10, 500, 2000
"""Rows of a batch."""
_BATCH_SECONDS = 1.0
"""Target seconds for a batch. Weak hashes take long, and an interruption loses the work of a batch."""


@dataclass
class ImportStats:
    read: int = 0
    added: int = 0
    known: int = 0
    listed: int = 0
    nameless: int = 0
    """How many of the listed rows were imported all the same."""

    def __str__(self) -> str:
        nameless = f", {self.nameless:,} of them without their username" if self.nameless else ""
        return f"{self.added:,} imported, {self.known:,} imported before, {self.listed:,} listed{nameless}"


async def import_batches(
    container: Container,
    rows: Iterator[ReadResult],
    stats: ImportStats,
    *,
    highest_role: Role,
    report: Callable[[Sequence[ImportIssue]], None],
    stopped: Callable[[], bool],
) -> None:
    """Counts in `stats` and reports after each batch, until the rows end or `stopped` is true."""
    import_users = container.import_users()
    since, size = container.clock()(), _FIRST
    while batch := list(islice(rows, size)):
        began = time.monotonic()
        newcomers = [row for row in batch if isinstance(row, ImportRow)]
        imported = await import_users(newcomers, since=since, highest=highest_role)
        remarks = [*imported.remarks, *(row for row in batch if isinstance(row, ImportIssue))]
        stats.read += len(batch)
        stats.added += imported.added
        stats.known += imported.known
        stats.listed += len(remarks)
        stats.nameless += sum(not remark.lost for remark in remarks)
        report(sorted(remarks, key=lambda remark: remark.line))
        seconds = max(time.monotonic() - began, 0.001)
        size = max(_LEAST, min(_MOST, 2 * size, int(size * _BATCH_SECONDS / seconds)))
        if stopped():
            return
