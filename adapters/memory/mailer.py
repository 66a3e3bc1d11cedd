"""A mailer that stores mails in a list."""

from anyio.lowlevel import checkpoint

from application.mail.ports import Mailer, StillSending, not_waiting
from domain.outbox import RenderedMail


class MemoryMailer(Mailer):
    """If `trouble` is set, it is raised instead of accepting the mail."""

    def __init__(self) -> None:
        self.letters: list[RenderedMail] = []
        self.trouble: Exception | None = None

    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting) -> None:
        await checkpoint()
        if self.trouble is not None:
            raise self.trouble
        self.letters.append(letter)
