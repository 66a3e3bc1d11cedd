"""Purge expired rows in batches. Several workers may do so at the same time."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock, ExpiredRows
from domain.retention import RetentionCategory


@dataclass(frozen=True, slots=True)
class PurgeCursor:
    """Where the next batch starts: after the row `after` of this kind, or at the first row."""

    kind: RetentionCategory
    after: UUID | None = None


FIRST_BATCH = PurgeCursor(next(iter(RetentionCategory)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeExpired:
    """`limit` is the number of rows that a batch checks."""

    expired_rows: ExpiredRows
    clock: Clock
    limit: int = 1000

    async def __call__(self, cursor: PurgeCursor = FIRST_BATCH) -> tuple[int, PurgeCursor | None]:
        """Purge one batch. Return the number of removed rows, and where the next batch starts; None at the end."""
        result = await self.expired_rows.purge(cursor.kind, now=self.clock(), after=cursor.after, limit=self.limit)
        if result.last is not None:
            return result.removed, PurgeCursor(cursor.kind, result.last)
        kinds = list(RetentionCategory)
        following = kinds[kinds.index(cursor.kind) + 1 :]
        return result.removed, PurgeCursor(following[0]) if following else None
