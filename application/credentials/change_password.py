"""Change the password with the current one. All sessions end; the caller gets a new one."""

from dataclasses import dataclass
from typing import Generic

from application.audit import Audit
from application.credentials.check_password import CheckPassword
from application.factors.ports import NewBytes
from application.factors.require_fresh import LockCaller
from application.factors.undo_points import UndoPoints
from application.ports import Clock, Hasher, NewId, RateLimiter
from application.repositories import UnitOfWorkFactory
from application.sessions.ports import Issue, Result
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import ChangeKind
from domain.password import PasswordPolicy, normalize_password
from domain.rate_limit_buckets import user_bucket
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, InputErrors, Refusal, account_disabled, password_mismatch, token_revoked
from domain.session import SECRET_LENGTH, EndReason, Lifetimes, Session
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword(Generic[Result]):
    """Limits successful changes per user. Otherwise a thief of the password could lock the owner out again and
    again."""

    begin: UnitOfWorkFactory
    check: CheckPassword
    lock_caller: LockCaller
    rate_limiter: RateLimiter
    hasher: Hasher
    policy: PasswordPolicy
    issue: Issue[Result]
    lifetimes: Lifetimes
    audit: Audit
    undo_points: UndoPoints
    clock: Clock
    new_id: NewId
    session_secret: NewBytes | None = None

    async def __call__(
        self,
        caller: AccessToken,
        *,
        current_password: str,
        new_password: str,
        confirm_password: str | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> Result:
        """Raises `invalid_credentials`, `password_weak`, `password_mismatch`, `account_disabled`, `token_revoked`,
        `step_up_required` or `rate_limited`."""
        async with self.begin() as work:
            user = await work.users.by_id(caller.user_id)
        if user is None:
            raise token_revoked()
        if confirm_password is not None and confirm_password != new_password:
            self._refuse_mismatch(user, new_password)
        if not await self.check.for_user(user, current_password, client_info=client_info):
            raise _wrong_password()
        if normalize_password(new_password) == normalize_password(current_password):
            raise _unchanged()
        secret = self._accept(user, new_password)
        reservation = await self.rate_limiter.acquire(user_bucket(Limit.PASSWORD_CHANGE, user.id))
        try:
            # Unverified users of one address share a salt, so that a login compares all of them with one hash.
            password_hash = await self.hasher.hash(secret, like=None if user.verified else user.password_hash)
        except Refusal:
            await self.rate_limiter.cancel(reservation)  # nothing was changed
            raise

        now = self.clock()
        async with self.begin() as work:
            locked_user = next((one for one in await work.users.lock(user.id) if one.id == user.id), None)
            if locked_user is None or locked_user.credential_version != user.credential_version:
                raise _wrong_password()
            current = await self.lock_caller.check(work, caller, locked_user)
            session = Session.opened(
                id=self.new_id(),
                user_id=user.id,
                now=now,
                lifetimes=self.lifetimes,
                client_info=client_info,
                # That of the login: a step-up must not continue in a session that can be refreshed.
                authentication=current.authentication if locked_user.factors else None,
                secret=b"" if self.session_secret is None else self.session_secret(SECRET_LENGTH),
            )
            changed = await work.users.replace_password(
                user.id, password_hash, credential_version=user.credential_version
            )
            if changed is None:
                raise _wrong_password()
            await work.sessions.end_all(user.id, now=now, reason=EndReason.PASSWORD_CHANGED)
            event = self.audit.event(EventType.PASSWORD_CHANGED, user.id, by=user.id, client_info=client_info)
            opened = await work.sessions.open(
                session,
                credential_version=changed.credential_version,
                factor_version=changed.factor_version,
                event=event,
            )
            if opened is None:
                raise account_disabled()
            await self.undo_points.add(work, changed, ChangeKind.PASSWORD_CHANGED, client_info=client_info)
        return self.issue(session, opened)

    def _accept(self, user: User, new_password: str) -> str:
        return self.policy.accept(new_password, email=user.email, username=user.username, field="new_password")

    def _refuse_mismatch(self, user: User, new_password: str) -> None:
        """Report a weak new password in the same response."""
        errors = InputErrors()
        with errors:
            raise password_mismatch()
        with errors:
            self._accept(user, new_password)
        errors.check()


def _unchanged() -> Refusal:
    text = "This is your current password. Choose another."
    return Refusal(ErrorCode.PASSWORD_WEAK, text, field="new_password", reason="unchanged")


def _wrong_password() -> Refusal:
    return Refusal(ErrorCode.INVALID_CREDENTIALS, "The current password is incorrect.", field="current_password")
