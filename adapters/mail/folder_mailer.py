"""Mails as files, for development and tests."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

from adapters.mail.addresses import parse_sender
from adapters.mail.message import message_bytes
from application.mail.ports import MailDelayed, Mailer, StillSending, not_waiting
from domain.outbox import RenderedMail

log = logging.getLogger(__name__)


class FolderMailer(Mailer):
    """Writes `<time>-<id>.eml`; a second send of a mail replaces the first."""

    def __init__(self, folder: Path, *, mail_from: str, product: str = "") -> None:
        self._folder = folder
        self._sender = parse_sender(mail_from, product)

    async def send(self, letter: RenderedMail, _: StillSending = not_waiting, /) -> None:
        content = message_bytes(letter, self._sender)
        name = f"{letter.written_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{letter.id}"
        try:
            await asyncio.to_thread(self._write, name, content)
        except OSError as problem:
            raise MailDelayed(f"Mail folder: {problem.strerror}") from None

    def _write(self, name: str, content: bytes) -> None:
        # Anyone who can read a link can use it.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f".{name}.tmp"
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(content)
        # A program that watches for *.eml never sees half a mail.
        unfinished.replace(self._folder / f"{name}.eml")


class CopyingMailer(Mailer):
    """Sends by `first`, and then by `copy`, whose failure is only logged."""

    def __init__(self, first: Mailer, copy: Mailer) -> None:
        self._first = first
        self._copy = copy

    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting) -> None:
        await self._first.send(letter, still_sending)
        try:
            await self._copy.send(letter)
        except MailDelayed as problem:
            # The mail is out: a retry would send it twice.
            log.warning("mail_copy_failed: %s was sent but not copied to the folder: %s", letter.id, problem)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Mailer]:
        async with self._first.session() as first, self._copy.session() as copy:
            yield CopyingMailer(first, copy)
