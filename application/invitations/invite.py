"""Mail an invitation to create a verified account."""

from dataclasses import dataclass

from application.audit import Audit
from application.factors.enrolment import check_open
from application.factors.require_fresh import LockCaller
from application.mail.mail_queue import MailQueue
from application.ports import Clock, NewId, RateLimiter
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email import normalize_email
from domain.invitation import Invitation, RegistrationMode, can_invite, email_taken
from domain.messages import translatable
from domain.outbox import MailKind
from domain.rate_limit_buckets import invitation_bucket
from domain.refusals import ErrorCode, Refusal, role_required
from domain.role import Role
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Moderators invite members, and admins invite to any role. A role above member requires a fresh authentication
    from callers with a factor, as a change of role does. An earlier invitation of the address is replaced."""

    begin: UnitOfWorkFactory
    rate_limiter: RateLimiter
    lock_caller: LockCaller
    registration: RegistrationMode
    audit: Audit
    mail: MailQueue
    clock: Clock
    new_id: NewId

    async def __call__(
        self,
        caller: AccessToken,
        *,
        email: str,
        role: Role = Role.MEMBER,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> Invitation:
        """Raises `registration_closed`, `email_invalid`, `email_taken`, `forbidden`, `role_required`,
        `step_up_required`, `token_revoked`, `unavailable` or `rate_limited`."""
        self.registration.require_invitations()
        email = normalize_email(email)
        reservation = await self.rate_limiter.acquire(invitation_bucket(email))
        try:
            async with self.begin() as work:
                return await self._invite(work, caller, email, role, client_info)
        except Refusal:
            await self.rate_limiter.cancel(reservation)  # no mail was queued
            raise

    async def _invite(
        self, work: UnitOfWork, caller: AccessToken, email: str, role: Role, client_info: ClientInfo
    ) -> Invitation:
        await check_open(work, translatable("An invitation"))
        inviter = next((user for user in await work.users.lock(caller.user_id) if user.id == caller.user_id), None)
        if inviter is None or not can_invite(inviter, Role.MEMBER):
            raise role_required(Role.MODERATOR)
        if not can_invite(inviter, role):
            raise Refusal(ErrorCode.FORBIDDEN, "Only admins can invite to a role above member.")
        if role is not Role.MEMBER:
            await self.lock_caller.check(work, caller, inviter)
        holder = await work.users.by_email(email)
        if holder is not None and holder.verified:
            raise email_taken()
        now = self.clock()
        earlier = await work.invitations.lock_email(email)
        if earlier is not None:
            if not can_invite(inviter, earlier.role):
                raise Refusal(ErrorCode.FORBIDDEN, "An admin has invited this address to a role above member.")
            await work.invitations.revoke(earlier.id, now=now)
        invitation = Invitation(id=self.new_id(), email=email, role=role, invited_by=inviter.id, created_at=now)
        await work.invitations.add(invitation)
        # Without the client: the IP address and device of a moderator are not for the invited person.
        shown = ClientInfo(language=inviter.locale or client_info.language)
        await self.mail.queue(work, MailKind.INVITATION, email, change_id=invitation.id, client_info=shown)
        await self.audit.record(
            work, EventType.INVITED, inviter.id, by=inviter.id, client_info=client_info, detail=f"as {role}"
        )
        return invitation
