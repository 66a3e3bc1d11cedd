"""Letters over SMTP (RFC 5321), one after another, each with exactly one recipient on the wire."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPResponseException

from adapters.rfc5322 import Sender, message_bytes, recipient, sender
from adapters.smtp_places import SmtpServer, Tls
from application.ports import MailDelayed, Mailer, MailRefused
from domain.mail import Letter

DEADLINE = 30.0
"""Seconds that a letter may take altogether."""


class SmtpMailer(Mailer):
    """Verifies certificates always, and says nothing to a server that lost its STARTTLS. Times are in seconds."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        mail_from: str,
        product: str = "",
        deadline: float = DEADLINE,
        connecting: float = 10,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender(mail_from, product)
        self._deadline = deadline
        self._connecting = connecting
        self._context = None if server.tls is Tls.NONE else ssl_context or ssl.create_default_context()

    async def send(self, letter: Letter) -> None:
        async with self.round() as line:
            await line.send(letter)

    async def greet(self) -> None:
        """Go as far as with a letter, and send none. Raises MailDelayed."""
        async with self.round() as line:
            await line.greet()

    @asynccontextmanager
    async def round(self) -> AsyncIterator["_Line"]:
        line = _Line(self._client, self._sender, deadline=self._deadline, connecting=self._connecting)
        try:
            yield line
            await line.say_goodbye()
        finally:
            line.hang_up()

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


class _Line(Mailer):
    """Letters one after another over one connection (RFC 5321, 3.3). It is kept only where all went well."""

    def __init__(self, client: Callable[[], SMTP], origin: Sender, *, deadline: float, connecting: float) -> None:
        self._client = client
        self._sender = origin
        self._deadline = deadline
        self._connecting = connecting
        self._kept: SMTP | None = None

    async def send(self, letter: Letter) -> None:
        await self._talk((recipient(letter), message_bytes(letter, self._sender)))

    async def greet(self) -> None:
        await self._talk(None)

    async def say_goodbye(self) -> None:
        if self._kept is not None:
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(1):
                    await self._kept.quit()

    def hang_up(self) -> None:
        _hang_up(self._kept)

    async def _talk(self, letter: tuple[str, bytes] | None) -> None:
        stage, client = "MAIL", self._kept
        self._kept = None
        try:
            async with asyncio.timeout(self._deadline):
                begun = client is not None and await self._goes_on(client)
                if client is None or not begun:
                    _hang_up(client)
                    stage, client = "connecting", self._client()
                    await self._connect(client)
                if letter is not None:
                    if not begun:
                        stage = "MAIL"
                        await client.mail(self._sender.address)
                    stage = "RCPT"
                    await client.rcpt(letter[0])
                    stage = "DATA"
                    await client.data(letter[1])
            self._kept = client
        except SMTPResponseException as no:
            raise _verdict(stage, no) from None
        except TimeoutError:
            raise MailDelayed(f"SMTP {stage}: no answer in time.") from None
        except (SMTPException, OSError) as problem:
            raise MailDelayed(f"SMTP {stage}: {problem}") from None
        finally:
            if self._kept is None:
                _hang_up(client)

    async def _connect(self, client: SMTP) -> None:
        async with asyncio.timeout(self._connecting):
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()

    async def _goes_on(self, client: SMTP) -> bool:
        """Begins the next letter. A server may have had enough, or be gone: that says nothing about the letter, of
        which it knows nothing yet, so another connection is asked."""
        try:
            await client.mail(self._sender.address)
        except (SMTPException, OSError):
            return False
        return True


def _hang_up(client: SMTP | None) -> None:
    """Also after a cancellation: a server that drips or stalls must not keep the socket."""
    if client is not None:
        if (transport := client.transport) is not None:
            cast(asyncio.WriteTransport, transport).abort()
        client.close()


# Answers to the envelope that are about us and not about the letter (RFC 4954, 6): somebody must mend the settings.
_ABOUT_US = {530, 534, 535, 538}
_PLAIN = re.compile(r"[A-Za-z0-9.,;:!?()<>'\[\]@_-]{1,24}")


def _verdict(stage: str, no: SMTPResponseException) -> Exception:
    # Before the envelope only the code is repeated: an answer to AUTH may quote what it was given.
    if stage == "connecting":
        return MailDelayed(f"SMTP {stage}: {no.code}")
    final = 500 <= no.code <= 599 and no.code not in _ABOUT_US
    return (MailRefused if final else MailDelayed)(f"SMTP {stage}: {no.code} {_spoken(no.message)}")


def _spoken(text: str) -> str:
    """What a server said, fit for operators: plain words only, for it may quote a link or a token."""
    return " ".join(word if _PLAIN.fullmatch(word) else "…" for word in text.split()[:40])
