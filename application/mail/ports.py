"""Ports for mail delivery: rendering, sending and reporting."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from domain.mail import DeliveryOutcome, OutboxMail, RenderedMail


class ReportMail(Protocol):
    def __call__(
        self, mail: OutboxMail, outcome: DeliveryOutcome | None, note: str, *, server_refuses: bool = False
    ) -> None:
        """Tell the operator what became of a mail, and why; with no outcome it was put off. `server_refuses`: the
        server turned us away, so no mail will go out until an operator corrects it. Returns at once, never raises."""
        ...


StillSending = Callable[[bool], Awaitable[None]]
"""Awaited every few seconds while a server takes its time over a letter. True once the whole letter has been sent, so
that the server may have it although it has not said so."""


async def not_waiting(_: bool) -> None:
    """Where it does not matter how long a letter takes."""


class Composer(Protocol):
    """Words for a mail; `link` is the signed text of its link, where it carries one."""

    def compose(self, mail: OutboxMail, link: str | None) -> RenderedMail: ...


class MailDelayed(Exception):
    """The letter was not taken now; later it may be. The text is for the operator."""


class MailServerRefused(MailDelayed):
    """The server turned us away before it heard of a recipient: that says nothing about any letter."""


class MailUnanswered(MailDelayed):
    """The letter was sent entirely, and the server never said whether it took it: it may have been delivered."""


class MailRefused(Exception):
    """This recipient does not take the letter, and never will. The text is for the operator."""


class Mailer(Protocol):
    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting, /) -> None:
        """Returns when the server has taken responsibility. Raises MailDelayed or MailRefused. Cancelled between
        the end of a letter and its answer, it awaits `still_sending` once more."""
        ...

    def session(self) -> AbstractAsyncContextManager["Mailer"]:
        """Sends several mails, which may share a connection. A failure of one does not affect the others."""
        return nullcontext(self)
