"""List the caller's sessions."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.session import Session
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSessions:
    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, caller: AccessToken) -> Sequence[Session]:
        """Return the live sessions, newest first."""
        async with self.begin() as work:
            return await work.sessions.alive(caller.user_id, now=self.clock())
