"""Mails in the outbox. A row holds kind and recipient; the text is rendered when the mail is sent."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import ChangeKind, EarlierChange
from domain.mail_timing import LANE_PACE, NOTICE_DELAY


class LinkPurpose(StrEnum):
    """What a link in a mail may be used for. A link of one purpose is invalid for all others."""

    VERIFY = "verify"
    RESET = "reset"
    EMAIL = "email"
    RESTORE = "restore"
    INVITE = "invite"

    @property
    def lifetime(self) -> timedelta:
        """How long a link is valid after its request. NIST SP 800-63B-4 allows at most 24 hours for mail.

        A link that restores an account is valid for longer: a user whom a thief has locked out may be on holiday.
        """
        return _LIFETIMES[self]


_LIFETIMES = {
    LinkPurpose.VERIFY: timedelta(hours=24),
    LinkPurpose.RESET: timedelta(minutes=30),
    LinkPurpose.EMAIL: timedelta(minutes=30),
    LinkPurpose.RESTORE: timedelta(days=7),
    LinkPurpose.INVITE: timedelta(days=7),
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
    """After verification, if several people had registered the address."""
    ACCOUNT_CLOSED = "account_closed"
    """By the user, who can undo it."""
    ACCOUNT_DELETED = "account_deleted"
    UNDO_INSTEAD = "undo_instead"
    """Instead of a reset link, for an address that a user has lost by an action that can still be undone."""
    RESET_WAITS = "reset_waits"
    """Instead of a reset link, while the former mailbox can undo a change of address."""
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    FACTORS_RESET = "factors_reset"
    """By an admin or an operator."""
    NEW_DEVICE = "new_device"
    INVITATION = "invitation"

    @property
    def purpose(self) -> LinkPurpose | None:
        """The purpose of the link in this kind of mail; None for a notice without a link."""
        return _LINKS.get(self)

    @property
    def has_undo_point(self) -> bool:
        """Whether `OutboxMail.change_id` names an undo point."""
        return self in _WITH_UNDO_POINT

    @property
    def is_awaited(self) -> bool:
        """Whether a person waits for this mail. Mails for known and unknown addresses have the same priority, so that
        the delay does not reveal whether an address is known."""
        return self in _AWAITED


_AWAITED = {
    *(MailKind.VERIFY, MailKind.ALREADY_REGISTERED, MailKind.RESET, MailKind.RESET_WAITS),
    *(MailKind.CONFIRM_EMAIL, MailKind.EMAIL_RESTORED, MailKind.PASSWORD_NEEDED),
}

_WITH_UNDO_POINT = {
    *(MailKind.PASSWORD_CHANGED, MailKind.SESSION_STOLEN, MailKind.NEW_DEVICE),
    *(MailKind.FACTOR_ADDED, MailKind.FACTOR_REMOVED, MailKind.RECOVERY_CODE_USED, MailKind.FACTORS_RESET),
}
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
    MailKind.INVITATION: LinkPurpose.INVITE,
    **dict.fromkeys(_WITH_UNDO_POINT, LinkPurpose.RESTORE),
}


VERIFIED_USER = UUID(int=0)
"""The `user_id` of a mail that was requested for an address, and goes only to a user who has verified it."""


class DeliveryOutcome(StrEnum):
    SENT = "sent"
    DROPPED = "dropped"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMail:
    """A queued mail. `user_id` is None or `VERIFIED_USER` if the request gave only an address; the worker looks the
    user up. `change_id` names a change of address, an undo point or an invitation; `client_info` caused the mail.

    `due_at` is the time of the next attempt. A lease moves it into the future, so the lease of a crashed worker
    expires by itself. `attempts` counts leases; a late worker sees by it that another has taken over.
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
    """When the undo period that the mail mentions ends. Set at delivery, and not stored."""
    change: ChangeKind | None = None
    """What happened after the undo point. Set at delivery, and not stored."""
    has_password: bool = True
    """Whether the user of a mail that waits has a password. Set at delivery, and not stored."""
    earlier: tuple[EarlierChange, ...] = ()
    """What this undo has not undone, oldest first. Set at delivery, and not stored."""

    @property
    def purpose(self) -> LinkPurpose | None:
        """The purpose of the link in this mail; None for a notice without a link. The previous release queued notices
        that name no undo point. After an undo, the reset link may have to wait (`until`)."""
        waits = self.kind is MailKind.EMAIL_RESTORED and self.until is not None
        without_undo_point = self.kind.has_undo_point and self.change_id is None
        return None if waits or without_undo_point else self.kind.purpose

    @property
    def lane(self) -> str | None:
        """Mails of one lane are sent in turn. A site has a lane, and another for its notices; None without a site."""
        if not self.client_info.site:
            return None
        return self.client_info.site if self.kind.is_awaited else f"{self.client_info.site} notices"

    def turn_at(self, last: datetime | None) -> datetime:
        """The sort key of due mails. `last` is the latest turn in the lane, or None if the lane is empty."""
        first = self.due_at + (timedelta(0) if self.kind.is_awaited else NOTICE_DELAY)
        return first if last is None else max(first, last + LANE_PACE)

    @classmethod
    def queued(
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
    """The content of a signed link. It is valid while `version` is current; using it changes the version, so it works
    once.

    `subject` is a user id, with the recovery version for a reset and the credential version for other purposes. Or it
    is the id of a change of address, an undo point or an invitation; `version` is 0 then.
    """

    purpose: LinkPurpose
    subject: UUID
    version: int
    issued_at: datetime

    def expired(self, now: datetime) -> bool:
        return now >= self.issued_at + self.purpose.lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMail:
    """A rendered mail to one recipient. `id` stays the same at every attempt; the Message-ID contains it."""

    id: UUID
    recipient: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    written_at: datetime
