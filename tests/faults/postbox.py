"""An SMTP server that keeps what it takes, and misbehaves on demand."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.entrypoints.service import free_port


class Postbox:
    """`answers` are said to letters for a recipient instead of "250": by the beginning of the address. While it is
    `holding`, it answers nobody, and has only taken letters whose address does not begin with "before".
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.asked: set[str] = set()
        self.answers: dict[str, str] = {}
        self.holding = False
        self.port = free_port()
        self._controller: Controller | None = None

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        (recipient,) = envelope.rcpt_tos
        assert isinstance(envelope.content, bytes)
        refusal = next((said for begin, said in self.answers.items() if recipient.startswith(begin)), None)
        if refusal is None and not (self.holding and recipient.startswith("before")):
            self.taken.append((recipient, envelope.content))
        self.asked.add(recipient)
        if self.holding:
            await asyncio.sleep(3600)
        return refusal or "250 taken"

    def open(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def close(self) -> None:
        """As a server that is down: connections are refused."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def mails(self, recipient: str) -> list[EmailMessage]:
        """Every letter to somebody, oldest first."""
        found = [content for to, content in list(self.taken) if to == recipient]
        return [message_from_bytes(content, policy=policy.default) for content in found]

    def copies(self) -> Counter[str]:
        """How often each letter was taken, by its Message-ID."""
        return Counter(
            str(message_from_bytes(content, policy=policy.default)["message-id"]) for _, content in list(self.taken)
        )


@contextmanager
def postbox() -> Iterator[Postbox]:
    box = Postbox()
    box.open()
    try:
        yield box
    finally:
        box.close()
