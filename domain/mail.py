"""Mail as the house owes it: a row that says what to tell whom. The text is made when it is sent."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.client_info import UNKNOWN_CLIENT, ClientInfo


class LinkPurpose(StrEnum):
    """What a link in a mail may be used for; a link of one purpose is worth nothing for another."""

    VERIFY = "verify"
    RESET = "reset"
    EMAIL = "email"
    RESTORE = "restore"

    @property
    def lifetime(self) -> timedelta:
        """How long a link lives after it was asked for (NIST SP 800-63B-4 caps mail at 24 hours).

        Restoring gives an account back to a user whom a thief has locked out, and who may be on holiday.
        """
        return _LIFETIMES[self]


_LIFETIMES = {
    LinkPurpose.VERIFY: timedelta(hours=24),
    LinkPurpose.RESET: timedelta(minutes=30),
    LinkPurpose.EMAIL: timedelta(minutes=30),
    LinkPurpose.RESTORE: timedelta(days=7),
}


class MailKind(StrEnum):
    VERIFY = "verify"
    ALREADY_REGISTERED = "already_registered"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"
    SESSION_STOLEN = "session_stolen"
    CONFIRM_EMAIL = "confirm_email"
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    EMAIL_RESTORED = "email_restored"
    PASSWORD_NEEDED = "password_needed"
    """After several people had registered the address that was verified."""
    ACCOUNT_CLOSED = "account_closed"
    """By its holder, which can be undone."""
    ACCOUNT_DELETED = "account_deleted"
    UNDO_INSTEAD = "undo_instead"
    """In the place of a mail with a reset link, to an address that a user has lost by what can be undone."""
    RESET_WAITS = "reset_waits"
    """In the place of a mail with a reset link, while a former address can undo a change of address."""

    @property
    def purpose(self) -> LinkPurpose | None:
        """The purpose of the link this kind of mail carries; None for a mere notice."""
        return _LINKS.get(self)

    @property
    def is_awaited(self) -> bool:
        """Whether a person waits for it. A mail to a known address counts like one to an unknown address, so that the
        delay does not reveal which it is."""
        return self in _AWAITED


_AWAITED = {
    *(MailKind.VERIFY, MailKind.ALREADY_REGISTERED, MailKind.RESET, MailKind.RESET_WAITS),
    *(MailKind.CONFIRM_EMAIL, MailKind.EMAIL_RESTORED, MailKind.PASSWORD_NEEDED),
}

NOTICE_DELAY = timedelta(hours=1)
"""How much later than it was asked for a notice has its turn, where others wait: after what a person waits for, but
not for ever."""

LANE_PACE = timedelta(seconds=1)
"""Between the turns of two mails of one lane. It holds nothing up: what is due is sent as fast as workers can. But a
mail of another lane comes before all but the first of a crowd."""


_LINKS = {
    MailKind.VERIFY: LinkPurpose.VERIFY,
    MailKind.RESET: LinkPurpose.RESET,
    MailKind.CONFIRM_EMAIL: LinkPurpose.EMAIL,
    MailKind.EMAIL_CHANGE_ASKED: LinkPurpose.RESTORE,
    MailKind.EMAIL_CHANGED: LinkPurpose.RESTORE,
    MailKind.EMAIL_RESTORED: LinkPurpose.RESET,
    MailKind.PASSWORD_NEEDED: LinkPurpose.RESET,
    MailKind.ACCOUNT_CLOSED: LinkPurpose.RESTORE,
    MailKind.UNDO_INSTEAD: LinkPurpose.RESTORE,
}


class DeliveryOutcome(StrEnum):
    SENT = "sent"
    DROPPED = "dropped"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMail:
    """A queued mail. `user_id` is None if only an address was given and no user has been looked up yet;
    `change_id` names the change of address that it is about. `client_info` is of the request that caused the mail.

    `due_at` is the time of the next attempt: leasing a mail moves it ahead, so a worker that dies gives it back
    by doing nothing. `attempts` counts leases and tells a late worker that another has taken over.
    """

    id: UUID
    kind: MailKind
    recipient: str
    user_id: UUID | None = None
    change_id: UUID | None = None
    client_info: ClientInfo = UNKNOWN_CLIENT
    created_at: datetime
    due_at: datetime
    attempts: int = 0
    outcome: DeliveryOutcome | None = None
    settled_at: datetime | None = None
    note: str = ""
    until: datetime | None = None
    """What the mail tells of goes on until then. It is found out when the mail is sent, and not kept."""

    @property
    def lane(self) -> str | None:
        """Whose mails it waits behind: those of the site that asked, and what is awaited apart from notices."""
        if not self.client_info.site:
            return None
        return self.client_info.site if self.kind.is_awaited else f"{self.client_info.site} notices"

    def turn_at(self, last: datetime | None) -> datetime:
        """When it is its turn; `last` is the latest turn in its lane. Mails that are due are sent in this order."""
        first = self.due_at + (timedelta(0) if self.kind.is_awaited else NOTICE_DELAY)
        return first if last is None else max(first, last + LANE_PACE)

    @classmethod
    def owed(
        cls,
        kind: MailKind,
        recipient: str,
        *,
        id: UUID,
        now: datetime,
        user_id: UUID | None = None,
        change_id: UUID | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> Self:
        return cls(
            id=id,
            kind=kind,
            recipient=recipient,
            user_id=user_id,
            change_id=change_id,
            client_info=client_info,
            created_at=now,
            due_at=now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailLink:
    """What a signed link says. Using it asks for the same version, and changes it, so it works once.

    The `subject` is a user, with the recovery version for a reset and the credential version for all else. Where the
    purpose is about an address it may be a change of address: that knows its version itself, and here it is 0.
    """

    purpose: LinkPurpose
    subject: UUID
    version: int
    issued_at: datetime

    def expired(self, now: datetime) -> bool:
        return now >= self.issued_at + self.purpose.lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMail:
    """A mail as it is handed to the mailer: one recipient, two bodies, a name that stays the same."""

    id: UUID
    recipient: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    written_at: datetime


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after the nth failed attempt: 5 s, doubling, never more than 5 minutes."""
    return min(timedelta(seconds=5 * 2 ** min(attempts - 1, 10)), timedelta(minutes=5))


def unanswered_delay(age: timedelta) -> timedelta:
    """How long to wait before a letter that may have been delivered is sent again: as long as it is old already, but
    from 15 minutes to 6 hours."""
    return max(timedelta(minutes=15), min(age, timedelta(hours=6)))


def redact_emails(note: str) -> str:
    """What was noted of a mail, fit for a log: without addresses."""
    return re.sub(r"\S*@\S*", "…", note)
