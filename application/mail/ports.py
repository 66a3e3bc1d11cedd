"""Ports for mail delivery: rendering, sending and reporting."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from domain.outbox import DeliveryOutcome, OutboxMail, RenderedMail


class ReportMail(Protocol):
    def __call__(
        self, mail: OutboxMail, outcome: DeliveryOutcome | None, note: str, *, server_refuses: bool = False
    ) -> None:
        """Report to the operator how an attempt ended, and why. `outcome` is None if the mail will be tried again.
        `server_refuses` is True if the server refuses all mails until an operator acts. Returns at once and never
        raises."""
        ...


StillSending = Callable[[bool], Awaitable[None]]
"""Awaited every few seconds during a slow delivery. The argument is True once the whole mail has been sent: the
server may have accepted it already."""


async def not_waiting(_: bool) -> None:
    """For callers that do not hold a lease."""


class Composer(Protocol):
    """Renders mails. `link` is the signed text of the mail's link, or None if it has none. `earlier_links` are those
    of `mail.earlier`."""

    def compose(self, mail: OutboxMail, link: str | None, earlier_links: Sequence[str] = ()) -> RenderedMail: ...


class MailDelayed(Exception):
    """The mail was not accepted, but may be later. The text is for the operator."""


class MailServerRefused(MailDelayed):
    """The server refused the connection or the sender before it saw a recipient, so it would refuse every mail."""


class MailUnanswered(MailDelayed):
    """The whole mail was sent, but the server did not reply. The mail may have been delivered."""


class MailRefused(Exception):
    """The server refuses this mail permanently. The text is for the operator."""


class Mailer(Protocol):
    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting, /) -> None:
        """Returns when the server has accepted the mail. Raises MailDelayed or MailRefused. If the call is cancelled
        after the whole mail was sent and before the reply, it awaits `still_sending` once more."""
        ...

    def session(self) -> AbstractAsyncContextManager["Mailer"]:
        """A mailer for several mails, which may share a connection. The failure of one does not affect the others."""
        return nullcontext(self)
