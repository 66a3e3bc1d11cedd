"""The protocols between the store of revocations (PostgreSQL) and its fast copy (Redis), and the check over both.

Use cases see `RevocationCheck` of `application/ports.py` alone. A session's minimum generation only grows; `ENDED` is
greater than every generation.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from application.ports import RevocationCheck
from domain.session import ENDED


@dataclass(frozen=True, slots=True)
class BlocklistPrimary:
    """The Redis server whose copy counts. `epoch` starts at 1 and grows with each change of primary (fencing)."""

    run_id: str
    epoch: int


class RevocationStore(Protocol):
    """The source of truth about sessions. Every method may raise the refusal `unavailable`."""

    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        """The minimum generation of each known session; sessions that do not exist are missing."""
        ...

    async def revoked(self, *, within: timedelta) -> Mapping[UUID, int]:
        """All revocations of that period, by the clock of the database: other clocks may be wrong."""
        ...

    async def pending(self) -> Mapping[UUID, int]:
        """Revocations that are not yet marked as published."""
        ...

    async def mark_published(self, min_generations: Mapping[UUID, int]) -> None:
        """Mark these as published, except those that were revoked further in the meantime."""
        ...

    async def primary(self) -> BlocklistPrimary | None:
        """None until a server is promoted for the first time."""
        ...

    async def promote(self, run_id: str, *, after: BlocklistPrimary | None) -> None:
        """Make this server the primary of the next epoch, unless `after` is no longer the primary."""
        ...


class Blocklist(Protocol):
    """A fast copy of recent revocations. It may be unable to answer, but an answer is complete."""

    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        """The revoked ones among these sessions; None if the copy may be incomplete."""
        ...

    async def publish(self, min_generations: Mapping[UUID, int]) -> None:
        """Return when these revocations are in force in every process, which may take a second."""
        ...


class CachedRevocationCheck(RevocationCheck):
    """Asks the blocklist, and the store if the blocklist cannot answer."""

    def __init__(self, blocklist: Blocklist, store: RevocationStore) -> None:
        self._blocklist = blocklist
        self._store = store

    async def min_generation(self, session_id: UUID) -> int:
        revoked = await self._blocklist.min_generations([session_id])
        if revoked is not None:
            return revoked.get(session_id, 0)
        return (await self._store.min_generations([session_id])).get(session_id, ENDED)
