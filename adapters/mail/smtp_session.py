"""One SMTP connection for several mails (RFC 5321 section 3.3), each to exactly one recipient."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPNotSupported, SMTPResponseException

from adapters.mail.addresses import Sender, recipient
from adapters.mail.message import message_bytes
from adapters.mail.smtp_replies import classify
from application.mail.ports import (
    MailDelayed,
    Mailer,
    MailServerRefused,
    MailUnanswered,
    StillSending,
    not_waiting,
)
from domain.outbox import RenderedMail

PROGRESS_INTERVAL = 5.0
"""Seconds between the reports of a slow delivery that it is still running."""

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
"""RFC 5321 section 4.5.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpTimeouts:
    """Seconds (RFC 5321 section 4.5.3.2). After the final dot the server may have the mail already: giving up early
    would send it twice."""

    connecting: float = 10
    reply: float = 300
    """For each reply from the greeting to RCPT."""
    data: float = 120
    end: float = 600


class SmtpSession(Mailer):
    """Reuses its connection only after a success."""

    def __init__(
        self, client: Callable[[], SMTP], origin: Sender, *, timeouts: SmtpTimeouts, progress_interval: float
    ) -> None:
        self._new_client = client
        self._sender = origin
        self._timeouts = timeouts
        self._progress_interval = progress_interval
        self._idle: SMTP | None = None
        self._stage = ""
        self._sent = False
        """True once the whole mail has been sent, and only the reply to it is missing."""

    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting) -> None:
        content = message_bytes(letter, self._sender)
        sending = asyncio.create_task(self._deliver(recipient(letter), content))
        try:
            while not (await asyncio.wait({sending}, timeout=self._progress_interval))[0]:
                await still_sending(self._sent)
        except BaseException:
            sending.cancel()
            await asyncio.wait({sending})
            if self._sent:
                await still_sending(True)
            raise
        await sending

    async def probe(self) -> None:
        """Name the sender, but send no mail."""
        await self._deliver(None, b"")

    async def quit(self) -> None:
        if self._idle is not None:
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(1):
                    await self._idle.quit()

    def close(self) -> None:
        _close_abruptly(self._idle)

    async def _deliver(self, to: str | None, content: bytes) -> None:
        self._stage, self._sent, client = "MAIL", False, self._idle
        self._idle = None
        try:
            if client is None or not await self._reuse(client):
                _close_abruptly(client)
                self._stage, client = "connecting", self._new_client()
                await self._connect(client)
                self._stage = "MAIL"
                async with asyncio.timeout(self._timeouts.reply):
                    await client.mail(self._sender.address)
            if to is not None:
                await self._transfer(client, to, content)
            self._idle = client
        except SMTPResponseException as reply:
            raise classify(self._stage, reply, sent=self._sent) from None
        except (SMTPException, OSError) as error:
            reason = "no answer in time." if isinstance(error, TimeoutError) else error
            unsupported = type(error) in {SMTPException, SMTPNotSupported}  # STARTTLS, or a way to log in
            kind = MailUnanswered if self._sent else MailServerRefused if unsupported else MailDelayed
            raise kind(f"SMTP {self._stage}: {reason}") from None
        finally:
            if self._idle is None:
                _close_abruptly(client)

    async def _connect(self, client: SMTP) -> None:
        """Gives up soon on a server that does not accept; one that accepts may take its time to greet."""
        connecting = asyncio.create_task(client.connect())
        try:
            await asyncio.wait({connecting}, timeout=self._timeouts.connecting)
            if client.transport is None and not connecting.done():
                raise TimeoutError
            async with asyncio.timeout(self._timeouts.reply):
                await connecting
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
        finally:
            connecting.cancel()

    async def _reuse(self, client: SMTP) -> bool:
        """Begin the next mail. False if the server refuses or is gone: it does not know this mail yet, so that says
        nothing about it, and another connection is tried."""
        try:
            async with asyncio.timeout(self._timeouts.reply):
                await client.mail(self._sender.address)
        except TimeoutError:
            raise
        except (SMTPException, OSError):
            return False
        return True

    async def _transfer(self, client: SMTP, to: str, content: bytes) -> None:
        self._stage = "RCPT"
        async with asyncio.timeout(self._timeouts.reply):
            await client.rcpt(to)
        # Not `client.data`: it has one timeout for both replies, and does not tell which one is missing.
        self._stage = "DATA"
        async with asyncio.timeout(self._timeouts.data):
            ready = await client.execute_command(b"DATA")
        if ready.code != 354 or client.protocol is None:
            raise SMTPResponseException(ready.code, ready.message)
        client.protocol.write(_LEADING_DOT.sub(b"..", content) + b".\r\n")
        self._sent = True
        async with asyncio.timeout(self._timeouts.end):
            reply = await client.protocol.read_response()
        self._sent = not 200 <= reply.code <= 599
        if not 200 <= reply.code <= 299:
            raise SMTPResponseException(reply.code, reply.message)


def _close_abruptly(client: SMTP | None) -> None:
    """Also after a cancellation: a server that stalls must not hold the socket."""
    if client is not None:
        if (transport := client.transport) is not None:
            cast(asyncio.WriteTransport, transport).abort()
        client.close()
