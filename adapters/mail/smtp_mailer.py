"""Letters over SMTP (RFC 5321), one after another, each with exactly one recipient on the wire."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPNotSupported, SMTPResponseException

from adapters.mail.message import Sender, message_bytes, recipient, sender
from adapters.mail.smtp_replies import verdict
from adapters.mail.smtp_url import SmtpServer, Tls
from application.mail_ports import (
    MailDelayed,
    Mailer,
    MailServerRefused,
    MailUnanswered,
    StillSending,
    not_waiting,
)
from domain.mail import Letter

BEAT = 5.0
"""Seconds after which a slow delivery reports that it is still running, repeatedly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds that a server may take (RFC 5321 section 4.5.3.2). After the final dot it may have the letter already:
    to give up early there would send it once more."""

    connecting: float = 10
    reply: float = 300
    """The greeting and everything else until the recipient is taken."""
    data: float = 120
    end: float = 600


class SmtpMailer(Mailer):
    """Verifies certificates always, and says nothing to a server that lost its STARTTLS."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        mail_from: str,
        product: str = "",
        waits: Waits | None = None,
        beat: float = BEAT,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender(mail_from, product)
        self._waits = waits or Waits()
        self._beat = beat
        self._context = None if server.tls is Tls.NONE else ssl_context or ssl.create_default_context()

    async def send(self, letter: Letter, still_sending: StillSending = not_waiting) -> None:
        async with self.round() as line:
            await line.send(letter, still_sending)

    async def greet(self) -> None:
        """Go as far as naming the sender, and send no letter. Raises MailDelayed."""
        async with self.round() as line:
            await line.greet()

    @asynccontextmanager
    async def round(self) -> AsyncIterator["_Line"]:
        line = _Line(self._client, self._sender, waits=self._waits, beat=self._beat)
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

    def __init__(self, client: Callable[[], SMTP], origin: Sender, *, waits: Waits, beat: float) -> None:
        self._client = client
        self._sender = origin
        self._waits = waits
        self._beat = beat
        self._kept: SMTP | None = None
        self._stage = ""
        self._sent = False
        """Whether the whole of the letter has been sent, and only the answer to it is missing."""

    async def send(self, letter: Letter, still_sending: StillSending = not_waiting) -> None:
        talking = asyncio.create_task(self._talk((recipient(letter), message_bytes(letter, self._sender))))
        try:
            while not (await asyncio.wait({talking}, timeout=self._beat))[0]:
                await still_sending(self._sent)
        except BaseException:
            talking.cancel()
            await asyncio.wait({talking})
            if self._sent:
                await still_sending(True)
            raise
        await talking

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
        self._stage, self._sent, client = "MAIL", False, self._kept
        self._kept = None
        try:
            begun = client is not None and await self._goes_on(client)
            if client is None or not begun:
                _hang_up(client)
                self._stage, client = "connecting", self._client()
                await self._connect(client)
                self._stage = "MAIL"
                async with asyncio.timeout(self._waits.reply):
                    await client.mail(self._sender.address)
            if letter is not None:
                await self._bring(client, *letter)
            self._kept = client
        except SMTPResponseException as no:
            raise verdict(self._stage, no, sent=self._sent) from None
        except (SMTPException, OSError) as problem:
            why = "no answer in time." if isinstance(problem, TimeoutError) else problem
            lacks = type(problem) in {SMTPException, SMTPNotSupported}  # STARTTLS, or a way to log in
            kind = MailUnanswered if self._sent else MailServerRefused if lacks else MailDelayed
            raise kind(f"SMTP {self._stage}: {why}") from None
        finally:
            if self._kept is None:
                _hang_up(client)

    async def _connect(self, client: SMTP) -> None:
        """A server that is not there is left soon; one that is may take its time to greet."""
        connecting = asyncio.create_task(client.connect())
        try:
            await asyncio.wait({connecting}, timeout=self._waits.connecting)
            if client.transport is None and not connecting.done():
                raise TimeoutError
            async with asyncio.timeout(self._waits.reply):
                await connecting
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
        finally:
            connecting.cancel()

    async def _goes_on(self, client: SMTP) -> bool:
        """Begins the next letter. A server may have had enough, or be gone: that says nothing about the letter, of
        which it knows nothing yet, so another connection is asked."""
        try:
            async with asyncio.timeout(self._waits.reply):
                await client.mail(self._sender.address)
        except TimeoutError:
            raise
        except (SMTPException, OSError):
            return False
        return True

    async def _bring(self, client: SMTP, to: str, content: bytes) -> None:
        self._stage = "RCPT"
        async with asyncio.timeout(self._waits.reply):
            await client.rcpt(to)
        # `client.data` would do the rest, with one time for both answers, and tells not which of them failed to come.
        self._stage = "DATA"
        async with asyncio.timeout(self._waits.data):
            ready = await client.execute_command(b"DATA")
        if ready.code != 354 or client.protocol is None:
            raise SMTPResponseException(ready.code, ready.message)
        client.protocol.write(_DOT.sub(b"..", content) + b".\r\n")
        self._sent = True
        async with asyncio.timeout(self._waits.end):
            taken = await client.protocol.read_response()
        self._sent = not 200 <= taken.code <= 599
        if not 200 <= taken.code <= 299:
            raise SMTPResponseException(taken.code, taken.message)


def _hang_up(client: SMTP | None) -> None:
    """Also after a cancellation: a server that drips or stalls must not keep the socket."""
    if client is not None:
        if (transport := client.transport) is not None:
            cast(asyncio.WriteTransport, transport).abort()
        client.close()


_DOT = re.compile(rb"^\.", re.MULTILINE)
"""RFC 5321 section 4.5.2."""
