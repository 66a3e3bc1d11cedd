"""The export contains everything stored about the caller and nothing about others, page by page."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TypeVar

import pytest

from application.profile.export_me import PAGE, Export
from domain.audit import AuditEvent, EventType
from domain.authentication import Authentication
from domain.challenge import ChallengePurpose
from domain.client_info import ClientInfo
from domain.factor import ChangeKind
from domain.outbox import MailKind, OutboxMail
from domain.refusals import ErrorCode
from tests.support.stored_factors import passkey, totp, undo_point
from tests.support.use_cases import ALICE, BOB, actions_of, claim, refused, request_email_change
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

HERE = ClientInfo(ip="192.0.2.7", user_agent="curl/8")
T = TypeVar("T")


async def everything(pages: AsyncIterator[Sequence[T]]) -> list[T]:
    return [item async for page in pages for item in page]


async def mails(export: Export) -> list[tuple[MailKind, str]]:
    return [(mail.kind, mail.recipient) for mail in await everything(export.mails)]


async def test_the_export_contains_everything_stored_newest_first(world: World) -> None:
    alice = await world.user(ALICE, username="queen")
    await world.change_email(await world.caller(), new_email="elsewhere@example.org", password=PASSWORD)
    over = await world.caller()
    await world.logout(over)
    await world.request_reset(email=ALICE)
    await world.deliver_mail(limit=10)
    caller = await world.caller()

    export = await world.export_me(caller, client_info=HERE)

    alice = world.store.rows.users[alice.id]
    assert (export.user, export.changes) == (alice, list(world.store.rows.email_changes.values()))
    sessions = [session.id for session in await everything(export.sessions)]
    assert sessions[:2] == [caller.session_id, over.session_id]
    assert len(sessions) == 3
    events = await everything(export.events)
    assert [event.action for event in events] == list(reversed(actions_of(world, alice)))
    assert (events[0].action, events[0].actor_id, events[0].client_info) == (EventType.EXPORTED, alice.id, HERE)
    assert await mails(export) == [
        (MailKind.RESET, ALICE),
        (MailKind.EMAIL_CHANGE_ASKED, ALICE),
        (MailKind.CONFIRM_EMAIL, "elsewhere@example.org"),
    ]


async def test_the_export_contains_factors_in_use_and_removed_newest_first(world: World) -> None:
    await world.user(ALICE)
    bob = await world.user(BOB)
    caller = await world.caller()
    caller = replace(caller, authentication=Authentication.by_passkey(world.clock()))
    for factor_of in (totp, passkey):
        async with world.begin() as work:
            challenge = replace(world.challenges.new(ChallengePurpose.ADD_TOTP), version=1)
            user = await world.enrolment.locked(work, caller, challenge)
            await world.enrolment.add(work, user, factor_of(user), caller=caller, client_info=HERE)
    async with world.begin() as work:
        await work.factors.add(passkey(bob))
        await work.factors.add_undo_point(undo_point(bob))
        phone, key = await work.factors.by_user(caller.user_id)
    await world.remove_factor(caller, phone.id)
    export = await world.export_me(caller)
    assert [one.id for one in export.factors] == [key.id, phone.id]
    assert [one.removed_at for one in export.factors] == [None, world.clock()]
    assert export.recovery_codes is not None
    assert export.recovery_codes.left == 10
    changes = [ChangeKind.TOTP_REMOVED, ChangeKind.PASSKEY_ADDED, ChangeKind.TOTP_ADDED]
    assert [point.kind for point in export.undo_points] == changes


async def test_the_export_contains_nothing_about_others(world: World) -> None:
    await world.user(ALICE)
    bob = await world.user(BOB)
    await request_email_change(world, bob, ALICE)
    await world.request_reset(email=BOB)
    caller = await world.caller(ALICE)
    export = await world.export_me(caller)
    assert export.changes == []
    assert [session.id for session in await everything(export.sessions)] == [caller.session_id]
    assert {event.user_id for event in await everything(export.events)} == {caller.user_id}
    assert await mails(export) == []


async def test_an_unverified_user_does_not_see_mails_to_others_of_the_address(world: World) -> None:
    await claim(world, ALICE, PASSWORD)
    await world.request_verification(email=ALICE)
    squatter = await claim(world, ALICE, OTHER_PASSWORD)
    caller = await world.authenticate((await world.log_in(ALICE, OTHER_PASSWORD)).access_token)
    export = await world.export_me(caller)
    assert export.user == squatter
    assert [mail.user_id for mail in await everything(export.mails)] == [squatter.id]


async def test_a_later_user_of_the_address_sees_nothing_of_the_earlier_account(world: World) -> None:
    await world.user(ALICE)
    await world.request_reset(email=ALICE)
    await world.delete_me(await world.caller(), password=PASSWORD)
    world.clock.advance(seconds=1)
    await world.user(ALICE)
    caller = await world.caller()
    await world.request_reset(email=ALICE)
    export = await world.export_me(caller)
    assert len(world.store.rows.mails) == 3
    assert await mails(export) == [(MailKind.RESET, ALICE)]
    assert [event.action for event in await everything(export.events)] == [
        EventType.EXPORTED,
        EventType.LOGGED_IN,
        EventType.CREATED,
    ]


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
async def test_pages_follow_each_other_without_a_gap(world: World, count: int) -> None:
    alice = await world.user(ALICE)
    caller = await world.caller()
    async with world.begin() as work:
        for _ in range(count):
            now, new_id = world.clock(), world.new_id()
            await work.events.add(AuditEvent.of(EventType.LOGGED_IN, alice.id, id=new_id, now=now))
            await work.outbox.add(
                OutboxMail.queued(MailKind.PASSWORD_CHANGED, ALICE, id=new_id, now=now, user_id=alice.id)
            )
    export = await world.export_me(caller)
    assert [event.action for event in await everything(export.events)] == list(reversed(actions_of(world, alice)))
    pages = [page async for page in export.mails]
    assert [mail for page in pages for mail in page] == list(reversed(world.store.rows.mails.values()))
    assert all(0 < len(page) <= PAGE for page in pages)


async def test_pages_are_read_lazily(world: World) -> None:
    alice = await world.user(ALICE)
    caller = await world.caller()
    export = await world.export_me(caller)
    world.store.rows.events.clear()
    assert await everything(export.events) == []
    await world.revoke_own_session(caller, caller.session_id)
    [session] = await everything(export.sessions)
    assert session.ended_at is not None
    assert alice == export.user


async def test_a_deleted_user_is_refused(world: World) -> None:
    alice = await world.user(ALICE)
    caller = await world.caller()
    async with world.begin() as work:
        await work.users.remove(alice.id, now=world.clock())
    before = world.store.rows.copy()
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.export_me(caller)
    assert world.store.rows == before
