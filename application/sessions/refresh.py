"""Exchange a refresh token for a new pair. A replaced token returns the same successor during the grace period, so
that a lost response or a second browser tab does not end the session. Later it counts as stolen."""

from dataclasses import dataclass
from datetime import datetime

from application.audit import Audit
from application.factors.undo_points import UndoPoints
from application.ports import Clock, RateLimiter, RefreshTokenCodec
from application.repositories import Renewals, UnitOfWork, UnitOfWorkFactory
from application.sessions.issue_tokens import IssueTokens
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import ChangeKind
from domain.rate_limit_buckets import notice_bucket
from domain.rate_limits import Bucket, Limit
from domain.refusals import ErrorCode, Refusal, session_ended
from domain.session import EndReason, Lifetimes, RotationState, Session
from domain.tokens import RefreshToken, TokenPair
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """`local_rate_limiter` counts refreshes in this process. A shared counter would cost another round trip."""

    begin: UnitOfWorkFactory
    renewals: Renewals
    refresh_codec: RefreshTokenCodec
    issue: IssueTokens
    lifetimes: Lifetimes
    rate_limiter: RateLimiter
    local_rate_limiter: RateLimiter
    audit: Audit
    undo_points: UndoPoints
    clock: Clock

    async def __call__(self, *, refresh_token: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> TokenPair:
        """Raises `token_invalid`, `token_expired`, `session_ended`, `refresh_reused` or `rate_limited`."""
        token = self.refresh_codec.decode(refresh_token)
        await self.local_rate_limiter.acquire(Bucket(Limit.REFRESH, (str(token.session_id),)))
        now = self.clock()
        renewed = await self.renewals.advance(
            token.session_id, generation=token.generation, now=now, lifetimes=self.lifetimes
        )
        return self.issue(*(renewed or await self._replaced(token, now, client_info)))

    async def _replaced(self, token: RefreshToken, now: datetime, client_info: ClientInfo) -> tuple[Session, User]:
        """Return the session if another request has replaced this token during the grace period. Otherwise raises
        `refresh_reused`, `token_expired` or `session_ended`."""
        async with self.begin() as work:
            session, now = await work.sessions.by_id_at(token.session_id, now=now) or (None, now)
            user = None if session is None or session.user_id is None else await work.users.by_id(session.user_id)
            if session is None or user is None:
                raise session_ended()
            state = session.rotation_state(token.generation, now=now, grace=self.lifetimes.grace)
            if state is RotationState.REUSED:
                await self._end(work, session, user, client_info)
        if state is RotationState.JUST_ROTATED:
            return session, user
        if state is RotationState.REUSED:
            raise Refusal(
                ErrorCode.REFRESH_REUSED,
                "This refresh token has already been used, so its session was ended. Log in again.",
            )
        if state is RotationState.EXPIRED:
            raise Refusal(ErrorCode.TOKEN_EXPIRED, "The session has expired. Log in again.")
        raise session_ended()

    async def _end(self, work: UnitOfWork, session: Session, user: User, client_info: ClientInfo) -> None:
        """End a session whose token was stolen. The thief is unknown, so it ends for both, and the owner gets a
        mail."""
        event = self.audit.event(EventType.REFRESH_REUSED, user.id, client_info=client_info)
        ended = await work.sessions.end(session.id, now=self.clock(), reason=EndReason.REFRESH_REUSED, event=event)
        # An unverified mailbox may be a stranger's, who must not get mails without end.
        if ended and user.verified and await self._may_write_to(user):
            await self.undo_points.add(work, user, ChangeKind.SESSION_STOLEN, client_info=client_info)

    async def _may_write_to(self, user: User) -> bool:
        """Limited, because an attacker with the password can cause any number of these mails."""
        try:
            await self.rate_limiter.acquire(notice_bucket(user.email))
        except Refusal:
            return False
        return True
