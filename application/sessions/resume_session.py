"""Read a browser session that is in use."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.refusals import token_revoked
from domain.session import Lifetimes
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSession:
    autocommit: UnitOfWorkFactory
    lifetimes: Lifetimes
    clock: Clock

    async def __call__(self, session_id: UUID, *, secret: bytes | None = None) -> AccessToken:
        """Return what an access token of the session would say, as stored now. The session must have that `secret`,
        unless the caller is known to it already. Raises `token_revoked`."""
        now = self.clock()
        async with self.autocommit() as work:
            found = await work.sessions.resume(session_id, now=now, lifetimes=self.lifetimes)
        if found is None:
            raise token_revoked()
        session, user = found
        if not (secret is None or session.has_secret(secret)) or not session.alive(now) or user.disabled:
            raise token_revoked()
        return AccessToken.of(session, user, issued_at=now, until=now + self.lifetimes.access)
