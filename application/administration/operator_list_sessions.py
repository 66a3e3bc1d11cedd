"""For operators: list the sessions of a user."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.administration.operator_lookup import named_user
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.email import normalize_email
from domain.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorListSessions:
    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, *, email: str) -> Sequence[Session]:
        """Return the live sessions, newest first. Raises `email_invalid` or `not_found`."""
        email = normalize_email(email)
        async with self.begin() as work:
            user = await named_user(work, email)
            return await work.sessions.alive(user.id, now=self.clock())
