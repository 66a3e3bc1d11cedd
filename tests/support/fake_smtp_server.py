"""An SMTP server that stores the mails it accepts, and misbehaves on demand."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.service import free_port
from tests.support.smtp_servers import DRIP, DROP, STALL


class TrackedSmtp(SMTP):
    """`wires` are the transports of every connection, and those that replaced them after STARTTLS."""

    def __init__(self, wires: list[asyncio.WriteTransport], *given: Any, **options: Any) -> None:
        self._wires = wires
        super().__init__(*given, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wires.append(cast(asyncio.WriteTransport, transport))
        super().connection_made(transport)


class AbortingController(Controller):
    """Closes all connections at `stop`; Controller leaves them open."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._wires: list[asyncio.WriteTransport] = []

    def factory(self) -> SMTP:
        return TrackedSmtp(self._wires, self.handler, **self.SMTP_kwargs)

    def stop(self, no_assert: bool = False) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result()
        super().stop(no_assert)

    async def _hang_up(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        # A closing server forgets the connections accepted in the same turn of its loop. So it first stops accepting;
        # two turns later the last ones are connected, and one turn later they are closed.
        for listening in self.server.sockets:
            self.loop.remove_reader(listening.fileno())
        for _ in range(4):
            for wire in self._wires:
                wire.abort()
            await asyncio.sleep(0)


class FakeSmtpServer:
    """`answers` are the replies to mails by the beginning of the recipient's address, instead of "250". A reply may
    also be a misbehaviour: DROP accepts the mail and disconnects, STALL sends nothing, DRIP sends a byte now
    and then. `pace` is the delay of each reply in seconds, `slowness` the delay for addresses that begin with "slow".
    `mail_from` is the reply to MAIL, if set. While it is `holding`, it replies to no mail, and has only accepted
    those whose address does not begin with "before".
    """

    def __init__(self, starttls: ssl.SSLContext | None = None) -> None:
        self.accepted: list[tuple[str, bytes]] = []
        self.attempted: set[str] = set()
        self.answers: dict[str, str] = {}
        self.pace = 0.0
        self.slowness = 0.0
        self.mail_from = ""
        self.holding = False
        self.port = free_port()
        self._starttls = starttls
        self._controller: AbortingController | None = None

    def reset(self) -> None:
        """End all misbehaviour, and open the server if it is closed."""
        self.answers, self.pace, self.slowness, self.mail_from, self.holding = {}, 0.0, 0.0, "", False
        if self._controller is None:
            self.open()

    async def handle_MAIL(
        self, _server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail_from:
            return self.mail_from
        envelope.mail_from, envelope.mail_options = address, options
        return "250 fine"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:
        (recipient,) = envelope.rcpt_tos
        assert isinstance(envelope.content, bytes)
        answer = next((reply for begin, reply in self.answers.items() if recipient.startswith(begin)), None)
        if answer in {None, DROP} and not (self.holding and recipient.startswith("before")):
            self.accepted.append((recipient, envelope.content))
        self.attempted.add(recipient)
        pace = self.slowness if self.slowness and recipient.startswith("slow") else self.pace
        await asyncio.sleep(3600 if self.holding else pace)
        wire = cast(asyncio.WriteTransport, server.transport)
        while answer in {STALL, DRIP} and not wire.is_closing():
            if answer == DRIP:
                wire.write(b"2")
            await asyncio.sleep(0.5)
        if answer == DROP:
            wire.abort()
        return answer or "250 taken"

    def open(self) -> None:
        secret = self._starttls is not None
        self._controller = AbortingController(
            self, hostname="127.0.0.1", port=self.port, tls_context=self._starttls, require_starttls=secret
        )
        self._controller.start()

    def close(self) -> None:
        """Like a server that is down: connections are refused."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def mails(self, recipient: str) -> list[EmailMessage]:
        """Every mail to this recipient, oldest first."""
        contents = [content for to, content in list(self.accepted) if to == recipient]
        return [message_from_bytes(content, policy=policy.default) for content in contents]

    def seen(self) -> Counter[str]:
        """The number of accepted mails by recipient."""
        return Counter(to for to, _ in list(self.accepted))

    def copies(self) -> Counter[str]:
        """How often each mail was accepted, by its Message-ID."""
        return Counter(
            str(message_from_bytes(content, policy=policy.default)["message-id"])
            for _, content in list(self.accepted)
        )


@contextmanager
def fake_smtp_server(starttls: ssl.SSLContext | None = None) -> Iterator[FakeSmtpServer]:
    box = FakeSmtpServer(starttls)
    box.open()
    try:
        yield box
    finally:
        box.close()
