"""Purge expired rows in batches. Several workers may do so at the same time."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock, Leftovers
from domain.retention import Leftover


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the next batch starts: after the row `after` of this kind, or at the first row."""

    kind: Leftover
    after: UUID | None = None


START = Spot(next(iter(Leftover)))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepHouse:
    """`limit` is the number of rows that a batch checks."""

    leftovers: Leftovers
    clock: Clock
    limit: int = 1000

    async def __call__(self, spot: Spot = START) -> tuple[int, Spot | None]:
        """Purge one batch. Return the number of removed rows, and where the next batch starts; None at the end."""
        cleared = await self.leftovers.clear(spot.kind, now=self.clock(), after=spot.after, limit=self.limit)
        if cleared.last is not None:
            return cleared.removed, Spot(spot.kind, cleared.last)
        kinds = list(Leftover)
        following = kinds[kinds.index(spot.kind) + 1 :]
        return cleared.removed, Spot(following[0]) if following else None
