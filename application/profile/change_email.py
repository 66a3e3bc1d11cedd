"""Request a change of address. The owner of the new mailbox confirms it, and the owner of the old one can undo it."""

from dataclasses import dataclass

from application.audit import Audit
from application.credentials.check_password import CheckPassword
from application.factors.require_fresh import LockCaller
from application.mail.mail_queue import MailQueue
from application.ports import Clock, NewId, RateLimiter
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email import normalize_email
from domain.email_change import EmailChange
from domain.outbox import MailKind
from domain.rate_limit_buckets import email_change_reserve, mail_network_buckets, mail_recipient_buckets
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal, earliest_retry, incorrect_password, token_revoked
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEmail:
    """The new address is not looked up, so the response cannot reveal whether it has an account."""

    begin: UnitOfWorkFactory
    check: CheckPassword
    lock_caller: LockCaller
    rate_limiter: RateLimiter
    audit: Audit
    mail: MailQueue
    clock: Clock
    new_id: NewId

    async def __call__(
        self, caller: AccessToken, *, new_email: str, password: str, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> None:
        """Raises `email_invalid`, `invalid_credentials`, `account_disabled`, `token_revoked`, `step_up_required`
        or `rate_limited`."""
        address = normalize_email(new_email, field="new_email")
        async with self.begin() as work:
            user = await work.users.by_id(caller.user_id)
        if user is None:
            raise token_revoked()
        if address == user.email:
            raise Refusal(
                ErrorCode.EMAIL_INVALID, "This is already your e-mail address.", field="new_email", reason="unchanged"
            )
        if not await self.check.for_user(user, password, client_info=client_info):
            raise incorrect_password()
        await self._limit(user, address, client_info)

        change = EmailChange(
            id=self.new_id(),
            user_id=user.id,
            old_email=user.email,
            new_email=address,
            credential_version=user.credential_version,
            asked_at=self.clock(),
            factor_version=user.factor_version,
        )
        async with self.begin() as work:
            # The password or the account may have changed since the password was verified.
            locked_user = next((one for one in await work.users.lock(user.id) if one.id == user.id), None)
            if locked_user is None or locked_user.credential_version != user.credential_version:
                raise incorrect_password()
            await self.lock_caller.check(work, caller, locked_user)
            await work.email_changes.add(change)
            letters = {MailKind.CONFIRM_EMAIL: address}
            if locked_user.verified:
                # An unverified address may have been mistyped, so it gets no undo link.
                letters[MailKind.EMAIL_CHANGE_ASKED] = user.email
            for kind, recipient in letters.items():
                await self.mail.queue(
                    work, kind, recipient, user_id=user.id, change_id=change.id, client_info=client_info
                )
            await self.audit.record(work, EventType.EMAIL_CHANGE_ASKED, user.id, by=user.id, client_info=client_info)

    async def _limit(self, user: User, new_email: str, client_info: ClientInfo) -> None:
        """Raises `rate_limited`. Strangers' requests count for the daily limits of both mailboxes, so a user with a
        verified address has a reserve."""
        mails = ((MailKind.CONFIRM_EMAIL, new_email), (MailKind.EMAIL_CHANGE_ASKED, user.email))
        network = [bucket for mail in mails for bucket in mail_network_buckets(*mail, client_info)]
        recipients = [bucket for mail in mails for bucket in mail_recipient_buckets(*mail)]
        try:
            await self.rate_limiter.acquire(*dict.fromkeys(network + recipients))  # a bucket in both is counted once
        except Refusal as refusal:
            if refusal.reason != Limit.MAIL_DAY or not user.verified:
                raise
            recipients = [bucket for bucket in recipients if bucket.limit is not Limit.MAIL_DAY]
            try:
                reserve = email_change_reserve(new_email)
                await self.rate_limiter.acquire(*dict.fromkeys(network + recipients), reserve)
            except Refusal as other:
                raise earliest_retry(refusal, other) from None
