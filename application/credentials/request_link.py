"""Request a link by mail. The worker looks the user up, so the response cannot reveal whether it exists."""

from dataclasses import dataclass

from application.mail.limit_mail import LimitMail
from application.mail.mail_queue import MailQueue
from application.repositories import UnitOfWorkFactory
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email import normalize_email
from domain.outbox import VERIFIED_USER, MailKind
from domain.rate_limit_buckets import is_sub_address


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLink:
    begin: UnitOfWorkFactory
    limit_mail: LimitMail
    mail: MailQueue
    kind: MailKind

    async def __call__(self, *, email: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> None:
        """Raises `email_invalid` or `rate_limited`."""
        email = normalize_email(email)
        reserved = await self.limit_mail(self.kind, email, client_info)
        async with self.begin() as work:
            only = VERIFIED_USER if reserved and is_sub_address(email) else None
            await self.mail.queue(work, self.kind, email, user_id=only, client_info=client_info)
