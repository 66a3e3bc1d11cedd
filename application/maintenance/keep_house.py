"""Clear away what is over, a little at a time and never in anybody's way. Any number may do so at once."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock, Leftovers
from domain.retention import Leftover


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the batch before has ended."""

    kind: Leftover
    after: UUID | None = None


START = Spot(next(iter(Leftover)))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepHouse:
    """`limit` is how many rows a batch looks at."""

    leftovers: Leftovers
    clock: Clock
    limit: int = 1000

    async def __call__(self, spot: Spot = START) -> tuple[int, Spot | None]:
        """One batch: how many rows were removed, and where to go on; None where the round is over."""
        cleared = await self.leftovers.clear(spot.kind, now=self.clock(), after=spot.after, limit=self.limit)
        if cleared.last is not None:
            return cleared.removed, Spot(spot.kind, cleared.last)
        kinds = list(Leftover)
        following = kinds[kinds.index(spot.kind) + 1 :]
        return cleared.removed, Spot(following[0]) if following else None
