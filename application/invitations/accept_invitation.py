"""Create a verified user by the link of an invitation. The link works once, and is the proof of the address."""

from dataclasses import dataclass, replace
from datetime import datetime

from application.audit import Audit
from application.credentials.count_failures import BAD_LINK, count_failures
from application.invitations.inspect_invitation import InspectInvitation
from application.invitations.valid_invitation import valid_invitation
from application.ports import Clock, Hasher, NewId, RateLimiter
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.invitation import Invitation
from domain.outbox import LinkPurpose
from domain.password import PasswordPolicy
from domain.rate_limit_buckets import invitation_use_bucket, link_bucket
from domain.refusals import InputErrors, link_invalidated, username_taken
from domain.user import User
from domain.username import accept_username


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptInvitation:
    """The invitation counts only while its inviter could still send it. All unverified users of the address are
    removed, as by a verification."""

    begin: UnitOfWorkFactory
    hasher: Hasher
    inspect_invitation: InspectInvitation
    rate_limiter: RateLimiter
    policy: PasswordPolicy
    audit: Audit
    clock: Clock
    new_id: NewId

    async def __call__(
        self, *, token: str, password: str, username: str | None = None, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> User:
        """Raises `registration_closed`, `link_invalid`, `link_expired`, `username_invalid`, `username_taken`,
        `password_weak` or `rate_limited`."""
        async with count_failures(self.rate_limiter, link_bucket(LinkPurpose.INVITE, client_info), BAD_LINK):
            invitation = await self.inspect_invitation(token=token)
            await self.rate_limiter.acquire(invitation_use_bucket(invitation.id))
            name, secret, errors = username, password, InputErrors()
            with errors:
                name = None if username is None else accept_username(username, product=self.policy.product)
            with errors:
                secret = self.policy.accept(password, email=invitation.email, username=name)
            errors.check()
            password_hash = await self.hasher.hash(secret)
            user = User.registered(
                id=self.new_id(),
                email=invitation.email,
                username=name,
                password_hash=password_hash,
                locale=client_info.language or None,
                now=self.clock(),
            )
            async with self.begin() as work:
                return await self._accept(work, invitation, user, client_info, now=self.clock())

    async def _accept(
        self, work: UnitOfWork, invitation: Invitation, user: User, client_info: ClientInfo, *, now: datetime
    ) -> User:
        # The lock keeps the inviter's role as it is until the commit.
        await work.users.lock(invitation.invited_by, email=invitation.email)
        if await valid_invitation(work, invitation.id, now=now) is None:
            raise link_invalidated()
        if not await work.invitations.accept(invitation.id, user_id=user.id, now=now):
            raise link_invalidated()
        await work.users.add(replace(user, role=invitation.role))
        verification = await work.users.verify_email(user.id, credential_version=user.credential_version, now=now)
        if verification is None:
            raise link_invalidated()
        if verification.user.username != user.username:  # it belongs to a verified user
            raise username_taken()
        detail = f"as {invitation.role}, invited by {invitation.invited_by}"
        await self.audit.record(work, EventType.INVITATION_ACCEPTED, user.id, client_info=client_info, detail=detail)
        return verification.user
