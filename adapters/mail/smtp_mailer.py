"""Mail over SMTP (RFC 5321)."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiosmtplib import SMTP

from adapters.mail.addresses import parse_sender
from adapters.mail.smtp_session import PROGRESS_INTERVAL, SmtpSession, SmtpTimeouts
from adapters.mail.smtp_url import SmtpServer, Tls
from application.mail.ports import Mailer, StillSending, not_waiting
from domain.outbox import RenderedMail


class SmtpMailer(Mailer):
    """Verifies certificates always, and sends nothing to a server that does not offer the STARTTLS it should."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        mail_from: str,
        product: str = "",
        timeouts: SmtpTimeouts | None = None,
        progress_interval: float = PROGRESS_INTERVAL,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = parse_sender(mail_from, product)
        self._timeouts = timeouts or SmtpTimeouts()
        self._progress_interval = progress_interval
        self._context = None if server.tls is Tls.NONE else ssl_context or ssl.create_default_context()

    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting) -> None:
        async with self.session() as session:
            await session.send(letter, still_sending)

    async def probe(self) -> None:
        """Connect, log in and name the sender, but send no mail. Raises MailDelayed."""
        async with self.session() as session:
            await session.probe()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[SmtpSession]:
        session = SmtpSession(
            self._client, self._sender, timeouts=self._timeouts, progress_interval=self._progress_interval
        )
        try:
            yield session
            await session.quit()
        finally:
            session.close()

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            local_hostname=self._sender.domain,
            timeout=None,
            use_tls=self._server.tls is Tls.IMPLICIT,
            start_tls=self._server.tls is Tls.STARTTLS,
            tls_context=self._context,
        )
