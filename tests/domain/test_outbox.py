"""Outbox mails: kinds, lifetimes of links, and retry delays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.email import redact_emails
from domain.mail_timing import retry_delay
from domain.outbox import EmailLink, LinkPurpose, MailKind, OutboxMail, RenderedMail

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("purpose", "lifetime"), [(LinkPurpose.VERIFY, timedelta(hours=24)), (LinkPurpose.RESET, timedelta(minutes=30))]
)
def test_a_link_expires_exactly_at_the_end_of_its_lifetime(purpose: LinkPurpose, lifetime: timedelta) -> None:
    link = EmailLink(purpose=purpose, subject=UUID(int=1), version=1, issued_at=NOW)
    assert not link.expired(NOW)
    assert not link.expired(NOW + lifetime - timedelta(microseconds=1))
    assert link.expired(NOW + lifetime)


@given(st.sampled_from(LinkPurpose), st.timedeltas(timedelta(0), timedelta(days=3)), st.timedeltas(timedelta(0)))
def test_an_expired_link_stays_expired(purpose: LinkPurpose, age: timedelta, more: timedelta) -> None:
    link = EmailLink(purpose=purpose, subject=UUID(int=1), version=1, issued_at=NOW)
    later = NOW + age + min(more, timedelta(days=10_000))
    assert link.expired(later) or not link.expired(NOW + age)


def test_every_link_purpose_has_one_kind_of_mail() -> None:
    assert {kind: kind.purpose for kind in MailKind} == {
        MailKind.VERIFY: LinkPurpose.VERIFY,
        MailKind.ALREADY_REGISTERED: None,
        MailKind.RESET: LinkPurpose.RESET,
        MailKind.PASSWORD_CHANGED: LinkPurpose.RESTORE,
        MailKind.SESSION_STOLEN: LinkPurpose.RESTORE,
        MailKind.CONFIRM_EMAIL: LinkPurpose.EMAIL,
        MailKind.EMAIL_CHANGE_ASKED: LinkPurpose.RESTORE,
        MailKind.EMAIL_CHANGED: LinkPurpose.RESTORE,
        MailKind.EMAIL_RESTORED: LinkPurpose.RESET,
        MailKind.PASSWORD_NEEDED: LinkPurpose.RESET,
        MailKind.ACCOUNT_CLOSED: LinkPurpose.RESTORE,
        MailKind.UNDO_INSTEAD: LinkPurpose.RESTORE,
        MailKind.ACCOUNT_DELETED: None,
        MailKind.RESET_WAITS: None,
        MailKind.FACTOR_ADDED: LinkPurpose.RESTORE,
        MailKind.FACTOR_REMOVED: LinkPurpose.RESTORE,
        MailKind.RECOVERY_CODE_USED: LinkPurpose.RESTORE,
        MailKind.FACTORS_RESET: LinkPurpose.RESTORE,
        MailKind.NEW_DEVICE: LinkPurpose.RESTORE,
        MailKind.INVITATION: LinkPurpose.INVITE,
    }


@pytest.mark.parametrize("kind", MailKind)
def test_only_a_mail_about_an_undo_point_needs_one_for_its_link(kind: MailKind) -> None:
    mail = OutboxMail.queued(kind, "alice@example.org", id=UUID(int=1), now=NOW)
    assert mail.purpose is (None if kind.has_undo_point else kind.purpose)
    assert replace(mail, change_id=UUID(int=2)).purpose is kind.purpose


def test_a_new_mail_is_due_at_once_without_attempts() -> None:
    mail = OutboxMail.queued(MailKind.RESET, "alice@example.org", id=UUID(int=1), now=NOW)
    assert (mail.created_at, mail.due_at, mail.attempts, mail.outcome, mail.user_id) == (NOW, NOW, 0, None, None)


def test_the_retry_delay_doubles_from_five_seconds_to_five_minutes() -> None:
    assert [retry_delay(attempt).total_seconds() for attempt in range(1, 9)] == [5, 10, 20, 40, 80, 160, 300, 300]


@given(st.integers(1, 10**9))
def test_the_retry_delay_never_decreases_and_is_bounded(attempts: int) -> None:
    assert timedelta(seconds=5) <= retry_delay(attempts) <= retry_delay(attempts + 1) <= timedelta(minutes=5)


def test_the_repr_of_a_rendered_mail_hides_the_text_with_the_link() -> None:
    letter = RenderedMail(
        id=UUID(int=1),
        recipient="alice@example.org",
        subject="Reset your password",
        text="see /reset?token=sealed",
        html="<a href='/reset?token=sealed'>",
        written_at=NOW,
    )
    assert "sealed" not in f"{letter!r} {letter}"


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("SMTP RCPT: 550 <ada@example.org>: unknown", "SMTP RCPT: 550 … unknown"),
        ("550 ADA@EXAMPLE.ORG ada=example.org@bounce", "550 … …"),
        ("no recipient", "no recipient"),
        ("550 nobody <nobody@example.org> is ada", "550 nobody … is ada"),
    ],
)
def test_a_note_is_logged_without_addresses_but_otherwise_complete(note: str, expected: str) -> None:
    assert redact_emails(note) == expected
