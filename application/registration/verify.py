"""Verify an address by a mailed link. All other unverified users of the address are removed."""

from dataclasses import dataclass
from datetime import datetime

from application.audit import Audit
from application.credentials.count_failures import BAD_LINK, count_failures
from application.mail.mail_queue import MailQueue
from application.ports import Clock, LinkSigner, RateLimiter
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.outbox import EmailLink, LinkPurpose, MailKind
from domain.rate_limit_buckets import link_bucket, link_use_bucket
from domain.refusals import link_expired, link_invalidated
from domain.role import Role
from domain.session import EndReason
from domain.user import NO_PASSWORD, Provenance, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    begin: UnitOfWorkFactory
    links: LinkSigner
    rate_limiter: RateLimiter
    audit: Audit
    mail: MailQueue
    clock: Clock

    async def __call__(self, *, token: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> User:
        """Raises `link_invalid`, `link_expired` or `rate_limited`."""
        async with count_failures(self.rate_limiter, link_bucket(LinkPurpose.VERIFY, client_info), BAD_LINK):
            return await self._use(token, client_info)

    async def _use(self, token: str, client_info: ClientInfo) -> User:
        link = self.links.verify(token.strip(), LinkPurpose.VERIFY)
        now = self.clock()
        if link.expired(now):
            raise link_expired()
        await self.rate_limiter.acquire(link_use_bucket(link))
        async with self.begin() as work:
            verification = await work.users.verify_email(link.subject, credential_version=link.version, now=now)
            if verification is not None and verification.first_time:
                await self.audit.record(work, EventType.VERIFIED, verification.user.id, client_info=client_info)
                planted = await self._has_planted_role(work, verification.user)
                # The person who registered may not be the owner, and may have requested changes of address.
                await work.email_changes.delete_unconfirmed(verification.user.id)
                user = (
                    await self._without_password(work, verification.user, client_info, now=now)
                    if verification.contested
                    else verification.user
                )
                return await self._without_role(work, user) if planted else user
            linked_user = await work.users.by_id(link.subject) if verification is None else verification.user
        if linked_user is None or (verification is None and not _has_just_verified(linked_user, link)):
            raise link_invalidated()
        return linked_user

    async def _without_password(
        self, work: UnitOfWork, user: User, client_info: ClientInfo, *, now: datetime
    ) -> User:
        """Remove the password and mail a reset link. Several people registered the address, so the owner of the
        mailbox may not have chosen this password."""
        await work.sessions.end_all(user.id, now=now, reason=EndReason.SUPERSEDED)
        changed = await work.users.replace_password(
            user.id, NO_PASSWORD, credential_version=user.credential_version, recovered=True
        )
        await self.mail.queue(work, MailKind.PASSWORD_NEEDED, user.email, user_id=user.id, client_info=client_info)
        return changed or user

    async def _has_planted_role(self, work: UnitOfWork, user: User) -> bool:
        """Whether the role was granted before verification, so that it would go to the person who chose the password
        and not to the owner of the mailbox. Both are the same person if an operator created or imported the user, or
        if the user was verified before."""
        if user.role is Role.MEMBER or user.provenance is not Provenance.SELF:
            return False
        return not any(change.is_pending_at(user) for change in await work.email_changes.by_user(user.id))

    async def _without_role(self, work: UnitOfWork, user: User) -> User:
        detail = f"from {user.role} to {Role.MEMBER}, because it was granted before the address was verified"
        await self.audit.record(work, EventType.ROLE_CHANGED, user.id, detail=detail)
        await work.sessions.revoke_access_tokens(user.id)
        return await work.users.set_role(user.id, Role.MEMBER) or user


def _has_just_verified(user: User, link: EmailLink) -> bool:
    """Whether this link verified the user and thereby removed the password, and nothing has changed since."""
    return user.verified and not user.has_password and user.credential_version == link.version + 1
