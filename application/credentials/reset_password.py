"""Set a new password by a mailed link. The link works once, verifies the address and ends all sessions."""

from dataclasses import dataclass

from application.audit import Audit
from application.credentials.count_failures import BAD_LINK, count_failures
from application.factors.undo_points import UndoPoints
from application.ports import Clock, Hasher, LinkSigner, RateLimiter
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email_change import undoable_until
from domain.factor import ChangeKind
from domain.outbox import LinkPurpose
from domain.password import PasswordPolicy
from domain.rate_limit_buckets import factor_buckets, link_bucket, link_use_bucket, recovery_buckets, user_bucket
from domain.rate_limits import Limit
from domain.refusals import InputErrors, Refusal, link_expired, link_invalidated, password_mismatch
from domain.session import EndReason
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword:
    begin: UnitOfWorkFactory
    hasher: Hasher
    links: LinkSigner
    rate_limiter: RateLimiter
    policy: PasswordPolicy
    audit: Audit
    undo_points: UndoPoints
    clock: Clock

    async def __call__(
        self, *, token: str, new_password: str, confirm_password: str, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> None:
        """Raises `link_invalid`, `link_expired`, `password_weak`, `password_mismatch` or `rate_limited`."""
        async with count_failures(self.rate_limiter, link_bucket(LinkPurpose.RESET, client_info), BAD_LINK):
            user = await self._use(token, new_password, confirm_password, client_info)
        await self._welcome(user, client_info)

    async def _use(self, token: str, new_password: str, confirm_password: str, client_info: ClientInfo) -> User:
        link = self.links.verify(token.strip(), LinkPurpose.RESET)
        if link.expired(self.clock()):
            raise link_expired()
        await self.rate_limiter.acquire(link_use_bucket(link))
        async with self.begin() as work:
            user = await work.users.by_id(link.subject)
        if user is None or not user.can_reset_by(link):
            raise link_invalidated()
        secret, errors = new_password, InputErrors()
        with errors:
            if new_password != confirm_password:
                raise password_mismatch()
        with errors:
            secret = self.policy.accept(new_password, email=user.email, username=user.username, field="new_password")
        errors.check()
        password_hash = await self.hasher.hash(secret)

        now = self.clock()
        async with self.begin() as work:
            # Checked again under the lock. A password change meanwhile is allowed: it does not invalidate the link.
            locked_users = await work.users.lock(user.id, email=user.email)
            user = next((one for one in locked_users if one.id == link.subject), None)
            if user is None or not user.can_reset_by(link):
                raise link_invalidated()
            # While a change can be undone, only a worker of the previous release sends reset links.
            changes = await work.email_changes.by_user(user.id)
            if undoable_until(changes, now, unless_by=user.email) is not None:
                raise link_invalidated()
            version = user.credential_version
            changed = None
            if await work.users.verify_email(user.id, credential_version=version, now=now) is not None:
                changed = await work.users.replace_password(
                    user.id, password_hash, credential_version=version, recovered=True
                )
            if changed is None:
                raise link_invalidated()
            await work.sessions.end_all(user.id, now=now, reason=EndReason.PASSWORD_CHANGED)
            await self.undo_points.add(work, changed, ChangeKind.PASSWORD_CHANGED, client_info=client_info)
            await self.audit.record(work, EventType.PASSWORD_RESET, user.id, client_info=client_info)
        return changed

    async def _welcome(self, user: User, client_info: ClientInfo) -> None:
        """The reader of the mail is the owner, and can log in at once despite earlier wrong passwords and codes, and
        add factors despite those of a thief."""
        buckets = recovery_buckets(user.email, user.username, client_info)
        buckets += (user_bucket(Limit.FACTOR_ADD, user.id),)
        if user.factors and await self._may_release_factors(user):
            buckets += factor_buckets(user.id, client_info)
        await self.rate_limiter.reset(*buckets)

    async def _may_release_factors(self, user: User) -> bool:
        """Limited, because a mailbox must not suffice to guess codes."""
        try:
            await self.rate_limiter.acquire(user_bucket(Limit.FACTOR_RELEASE, user.id))
        except Refusal:
            return False
        return True
