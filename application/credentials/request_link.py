"""Request a link by mail. The worker looks the user up, so the response cannot reveal whether it exists."""

from dataclasses import dataclass

from application.mail.limit_mail import LimitMail
from application.mail.mail_queue import MailQueue
from application.repositories import UnitOfWorkFactory
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email import normalize_email
from domain.outbox import MailKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLink:
    begin: UnitOfWorkFactory
    limit_mail: LimitMail
    mail: MailQueue
    kind: MailKind

    async def __call__(self, *, email: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> None:
        """Raises `email_invalid` or `rate_limited`."""
        email = normalize_email(email)
        await self.limit_mail(self.kind, email, client_info)
        async with self.begin() as work:
            await self.mail.queue(work, self.kind, email, client_info=client_info)
