"""Pages of a user's sessions, mails and e-mail changes: only the user's own, newest first, without gaps."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.email_change import EmailChange
from domain.outbox import DeliveryOutcome, OutboxMail
from domain.session import EndReason
from tests.support.store_harness import LATER, NOW, StoreHarness, new_id, new_session, queued_mail

pytestmark = pytest.mark.anyio

ADA, BOB = "ada@example.org", "bob@example.org"


async def test_sessions_are_paged_including_ended_ones(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user(BOB)
    sessions = [await harness.session(user) for _ in range(5)]
    await harness.session(other)
    async with harness.begin() as work:
        await work.sessions.end(sessions[2].id, now=LATER, reason=EndReason.LOGOUT)
    sessions[2] = sessions[2].ended(now=LATER, reason=EndReason.LOGOUT)
    newest_first = sessions[::-1]
    async with harness.begin() as work:
        assert list(await work.sessions.page(user.id, limit=9, after=None)) == newest_first
        assert list(await work.sessions.page(user.id, limit=2, after=None)) == newest_first[:2]
        assert list(await work.sessions.page(user.id, limit=2, after=newest_first[1].id)) == newest_first[2:4]
        assert list(await work.sessions.page(user.id, limit=2, after=newest_first[4].id)) == []
        assert list(await work.sessions.page(new_session(user).id, limit=2, after=None)) == []


async def test_active_sessions_exclude_ended_expired_and_other_users_sessions(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user(BOB)
    sessions = [await harness.session(user) for _ in range(3)]
    await harness.session(other)
    async with harness.begin() as work:
        await work.sessions.end(sessions[1].id, now=LATER, reason=EndReason.LOGOUT)
    end = sessions[0].expires_at
    async with harness.begin() as work:
        assert list(await work.sessions.alive(user.id, now=LATER)) == [sessions[2], sessions[0]]
        just_before = end - timedelta(microseconds=1)
        assert list(await work.sessions.alive(user.id, now=just_before)) == [sessions[2], sessions[0]]
        assert list(await work.sessions.alive(user.id, now=end)) == []


async def test_a_users_mails_have_the_user_id_or_went_to_the_verified_address(harness: StoreHarness) -> None:
    ada = await harness.user(ADA)
    claim = await harness.user("claim@example.org", proven=False)

    async def add_mail(recipient: str, *, user_id: UUID | None = None, late: timedelta = timedelta()) -> OutboxMail:
        mail = replace(queued_mail(due_at=NOW + late), recipient=recipient, user_id=user_id)
        async with harness.begin() as work:
            await work.outbox.add(mail)
        return mail

    theirs = [
        await add_mail(ADA, user_id=ada.id),
        await add_mail("former@example.org", user_id=ada.id, late=-timedelta(days=1)),
        await add_mail(ADA),
        await add_mail(ADA, late=timedelta(days=1)),
    ]
    await add_mail(ADA, late=-timedelta(microseconds=1))  # to the previous owner of the address
    await add_mail(ADA, user_id=new_id())
    await add_mail(BOB)
    own = await add_mail(claim.email, user_id=claim.id)
    await add_mail(claim.email)
    newest_first = theirs[::-1]
    async with harness.begin() as work:
        assert list(await work.outbox.page(ada, limit=9, after=None)) == newest_first
        assert list(await work.outbox.page(ada, limit=3, after=None)) == newest_first[:3]
        assert list(await work.outbox.page(ada, limit=3, after=newest_first[0].id)) == newest_first[1:]
        assert list(await work.outbox.page(ada, limit=3, after=newest_first[3].id)) == []
        assert list(await work.outbox.page(claim, limit=9, after=None)) == [own]


async def test_a_mail_shows_its_outcome_and_time_until_it_is_redriven(harness: StoreHarness) -> None:
    user = await harness.user()
    mail = replace(queued_mail(), user_id=user.id)
    async with harness.begin() as work:
        await work.outbox.add(mail)
        [leased] = await work.outbox.lease(now=NOW, hold=timedelta(), limit=1)
        await work.outbox.record_outcome(leased, DeliveryOutcome.PARKED, now=LATER, note="full")
    async with harness.begin() as work:
        [kept] = await work.outbox.page(user, limit=9, after=None)
        assert (kept.outcome, kept.settled_at) == (DeliveryOutcome.PARKED, LATER)
        assert await work.outbox.redrive(mail.id, now=LATER)
        [kept] = await work.outbox.page(user, limit=9, after=None)
        assert (kept.outcome, kept.settled_at) == (None, None)


async def test_email_changes_are_the_users_own_newest_first(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user(BOB)
    changes = [
        EmailChange(
            id=new_id(),
            user_id=one.id,
            old_email=one.email,
            new_email="new@example.org",
            credential_version=1,
            asked_at=NOW,
        )
        for one in (user, other, user)
    ]
    async with harness.begin() as work:
        for change in changes:
            await work.email_changes.add(change)
    async with harness.begin() as work:
        assert list(await work.email_changes.by_user(user.id)) == [changes[2], changes[0]]
        assert list(await work.email_changes.by_user(new_id())) == []
