"""Open a session, end the oldest ones beyond the maximum, and notify the owner of a new device."""

from contextlib import suppress
from dataclasses import dataclass

from application.audit import Audit
from application.factors.ports import NewBytes
from application.factors.undo_points import UndoPoints
from application.ports import Clock, NewId, RateLimiter
from application.repositories import UnitOfWork
from domain.audit import AuditEvent, EventType
from domain.authentication import Authentication
from domain.client_info import ClientInfo
from domain.device import describe_device
from domain.factor import ChangeKind
from domain.rate_limit_buckets import notice_bucket
from domain.refusals import Refusal
from domain.session import SECRET_LENGTH, Lifetimes, Session
from domain.user import User

_REMEMBERED = 50
"""Events in which a device is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    lifetimes: Lifetimes
    rate_limiter: RateLimiter
    audit: Audit
    undo_points: UndoPoints
    clock: Clock
    new_id: NewId
    session_secret: NewBytes | None = None
    """Makes the secrets of browser sessions. None opens sessions with tokens."""

    async def __call__(
        self, work: UnitOfWork, user: User, authentication: Authentication, *, client_info: ClientInfo
    ) -> tuple[Session, User] | None:
        """Return the session and its user as stored, who is locked. None if the user was disabled, or their
        credentials or factors have changed since `user` was read."""
        session = Session.opened(
            id=self.new_id(),
            user_id=user.id,
            now=self.clock(),
            lifetimes=self.lifetimes,
            client_info=client_info,
            authentication=authentication,
            secret=b"" if self.session_secret is None else self.session_secret(SECRET_LENGTH),
        )
        event = self.audit.event(EventType.LOGGED_IN, user.id, by=user.id, client_info=client_info)
        opened = await work.sessions.open(
            session, credential_version=user.credential_version, factor_version=user.factor_version, event=event
        )
        if opened is None:
            return None
        for _ in await work.sessions.evict_oldest(session, most=self.lifetimes.sessions):
            await self.audit.record(work, EventType.SESSION_EVICTED, user.id, by=user.id, client_info=client_info)
        if opened.verified and await self._is_new_device(work, opened, event):
            with suppress(Refusal):  # a thief with the password can cause any number of these mails
                await self.rate_limiter.acquire(notice_bucket(opened.email))
                await self.undo_points.add(work, opened, ChangeKind.NEW_DEVICE, client_info=client_info)
        return session, opened

    async def _is_new_device(self, work: UnitOfWork, user: User, login: AuditEvent) -> bool:
        """Whether none of the earlier logins came from this device and network. The first login is not reported, also
        not of an imported user."""
        device = _device(login.client_info)
        if not any(device):
            return False
        clients = await work.events.login_clients(user.id, before=login.id, limit=_REMEMBERED)
        known = {_device(client) for client in clients} - {("", "")}
        return bool(known) and device not in known


def _device(client: ClientInfo) -> tuple[str, str]:
    return describe_device(client.user_agent), client.network
