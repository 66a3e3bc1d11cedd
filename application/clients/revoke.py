"""Token revocation (RFC 7009): end the session of a token."""

from dataclasses import dataclass
from uuid import UUID

from application.audit import Audit
from application.ports import AccessTokenCodec, Clock, RefreshTokenCodec
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client import Client
from domain.refusals import Refusal
from domain.session import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    begin: UnitOfWorkFactory
    access_codec: AccessTokenCodec
    refresh_codec: RefreshTokenCodec
    audit: Audit
    clock: Clock

    async def __call__(self, client: Client, text: str) -> None:
        """Returns when the revocation is in force everywhere. Ignores invalid and expired tokens."""
        session_id = self._session(text)
        if session_id is None:
            return
        now = self.clock()
        async with self.begin() as work:
            if await work.sessions.end(session_id, now=now, reason=EndReason.LOGOUT):
                session = await work.sessions.by_id(session_id)
                if session is not None and session.user_id is not None:
                    detail = f"by client {client.id}"
                    await self.audit.record(work, EventType.SESSION_ENDED, session.user_id, detail=detail)

    def _session(self, text: str) -> UUID | None:
        for codec in (self.access_codec, self.refresh_codec):
            try:
                return codec.decode(text).session_id
            except Refusal:
                continue
        return None
