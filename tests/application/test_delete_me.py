"""The end of an account: by its password alone, entirely, and nobody who comes later inherits anything."""

from dataclasses import replace
from functools import partial

import pytest

from domain.event import Action
from domain.mail import Kind, Outcome, Purpose
from domain.origin import NOWHERE, Origin
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.session import EndReason
from domain.user import User
from tests.application.words import (
    ALICE,
    BOB,
    DEAD,
    Interrupted,
    acts,
    at_once,
    change_link,
    claim,
    link,
    moving,
    owed,
    refused,
    session_of,
    verdict,
    ways_in,
)
from tests.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

HERE = Origin(ip="192.0.2.7", user_agent="curl/8")


def gone(world: World, user: User) -> bool:
    return user.id not in world.store.rows.users


async def test_account_sessions_and_links_die_at_once(world: World) -> None:
    alice = await world.user(ALICE, username="queen")
    await world.user(BOB)
    pairs = [await world.enter(ALICE) for _ in range(3)]
    stranger = await world.enter(BOB)
    links = {purpose: link(world, alice, purpose) for purpose in (Purpose.VERIFY, Purpose.RESET)}

    await world.delete_me(await world.authenticate(pairs[0].access_token), password=PASSWORD)

    assert gone(world, alice)
    assert [await ways_in(world, pair) for pair in pairs] == [DEAD] * 3
    assert {session_of(world, pair).end_reason for pair in pairs} == {EndReason.DELETED}
    assert {(session_of(world, pair).user_id, session_of(world, pair).origin) for pair in pairs} == {(None, NOWHERE)}
    for login in (ALICE, "queen"):
        assert await verdict(world.login(login=login, password=PASSWORD)) is Code.INVALID_CREDENTIALS
    assert await verdict(world.verify(token=links[Purpose.VERIFY])) is Code.LINK_INVALID
    reset = world.reset_password(
        token=links[Purpose.RESET], new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD
    )
    assert await verdict(reset) is Code.LINK_INVALID
    assert await ways_in(world, stranger) == (None, None)


async def test_a_wrong_password_deletes_nothing(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller()
    before = world.store.rows.copy()
    for password in (OTHER_PASSWORD, "", PASSWORD + " "):
        with refused(Code.INVALID_CREDENTIALS, field="password"):
            await world.delete_me(caller, password=password)
    assert world.store.rows == before


async def test_the_mailbox_is_told_and_nothing_else_is_sent(world: World) -> None:
    await world.user(ALICE)
    await world.ask_for_reset(email=ALICE)
    await world.delete_me(await world.caller(), password=PASSWORD)
    await world.deliver_mail(limit=10)
    [letter] = world.mailer.letters
    assert letter.recipient == ALICE
    assert "deleted" in letter.subject
    [mail] = owed(world, Kind.RESET)
    assert mail.outcome is Outcome.DROPPED


async def test_an_address_that_was_never_proven_is_told_nothing(world: World) -> None:
    user = await claim(world, ALICE, PASSWORD)
    await world.delete_me(await world.caller(), password=PASSWORD)
    assert gone(world, user)
    assert owed(world, Kind.ACCOUNT_DELETED) == []


async def test_what_is_settled_is_forgotten_with_the_address_that_it_went_to(world: World) -> None:
    alice = await world.user(ALICE)
    await world.user(BOB)
    for ask in (world.ask_for_reset(email=ALICE), world.ask_for_reset(email=BOB)):
        await ask
    await world.register(email=ALICE, password=PASSWORD)  # which tells Alice that she has an account already
    caller = await world.caller()
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    await world.deliver_mail(limit=10)
    caller = await world.authenticate((await world.enter(ALICE, OTHER_PASSWORD)).access_token)
    await world.ask_for_reset(email=ALICE)
    await world.delete_me(caller, password=OTHER_PASSWORD)
    left = [(mail.recipient, mail.kind, mail.user_id) for mail in world.store.rows.mails.values()]
    assert left == [(BOB, Kind.RESET, None), (ALICE, Kind.RESET, None), (ALICE, Kind.ACCOUNT_DELETED, None)]
    assert alice.id not in {mail.user_id for mail in world.store.rows.mails.values()}


async def test_a_mere_claim_takes_only_its_own_mails_with_it(world: World) -> None:
    squatter = await claim(world, ALICE, OTHER_PASSWORD)
    rival = await claim(world, ALICE, PASSWORD)
    await world.deliver_mail(limit=10)
    caller = await world.caller()
    assert caller.user_id == rival.id
    await world.delete_me(caller, password=PASSWORD)
    assert [mail.user_id for mail in world.store.rows.mails.values()] == [squatter.id]
    assert not gone(world, squatter)


async def test_the_end_is_told_but_no_place(world: World) -> None:
    alice = await world.user(ALICE)
    pair = await world.login(login=ALICE, password=PASSWORD, origin=HERE)
    await world.delete_me(await world.authenticate(pair.access_token), password=PASSWORD)
    events = [event for event in world.store.rows.events.values() if event.user_id == alice.id]
    assert [event.action for event in events] == [Action.CREATED, Action.LOGGED_IN, Action.DELETED]
    assert {event.origin for event in events} == {NOWHERE}
    assert events[-1].actor_id == alice.id


async def test_whoever_has_the_address_later_inherits_nothing(world: World) -> None:
    old = await world.user(ALICE, username="queen", role=Role.MODERATOR)
    pair = await world.login(login=ALICE, password=PASSWORD, origin=HERE)
    change = await moving(world, old, "elsewhere@example.org")
    reset = link(world, old, Purpose.RESET)
    await world.delete_me(await world.authenticate(pair.access_token), password=PASSWORD)

    new = await world.user(ALICE)
    caller = await world.caller()
    assert (new.role, new.username) == (Role.MEMBER, None)
    assert [session.id for session in await world.list_sessions(caller)] == [caller.session_id]
    assert acts(world, new) == [Action.CREATED, Action.LOGGED_IN]
    assert (
        await verdict(world.reset_password(token=reset, new_password="x", confirm_password="x")) is Code.LINK_INVALID
    )
    assert await verdict(world.confirm_email(token=change_link(world, change, Purpose.EMAIL))) is Code.LINK_INVALID
    assert await verdict(world.restore_email(token=change_link(world, change, Purpose.RESTORE))) is Code.LINK_INVALID
    assert world.store.rows.changes == {}
    assert (await world.rename_me(caller, username="Queen")).username == "Queen"
    assert await ways_in(world, pair) == DEAD


async def test_the_last_admin_stays(world: World) -> None:
    last = await world.user(ALICE, role=Role.ADMIN)
    caller = await world.caller()
    before = world.store.rows.copy()
    with refused(Code.LAST_ADMIN):
        await world.delete_me(caller, password=PASSWORD)
    assert world.store.rows == before
    with refused(Code.INVALID_CREDENTIALS, field="password"):
        await world.delete_me(caller, password=OTHER_PASSWORD)
    await world.user(BOB, role=Role.ADMIN)
    await world.delete_me(caller, password=PASSWORD)
    assert gone(world, last)


async def test_of_five_admins_who_leave_at_once_one_remains(world: World) -> None:
    callers = []
    for number in range(5):
        await world.user(f"admin{number}@example.org", role=Role.ADMIN)
        callers.append(await world.caller(f"admin{number}@example.org"))
    outcomes = await at_once([partial(world.delete_me, caller, password=PASSWORD) for caller in callers])
    assert [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)] == [Code.LAST_ADMIN]
    assert len(world.store.rows.users) == 1


async def test_a_ban_a_new_password_or_an_end_that_comes_meanwhile_is_minded(world: World) -> None:
    async def ban() -> None:
        async with world.begin() as work:
            await work.users.set_disabled(alice.id, True, now=world.clock())

    async def reset() -> None:
        async with world.begin() as work:
            await work.users.replace_password(alice.id, "memory$new", credential_version=1)

    async def end() -> None:
        async with world.begin() as work:
            await work.users.remove(alice.id)

    for meanwhile, code in ((ban, Code.ACCOUNT_DISABLED), (reset, Code.INVALID_CREDENTIALS)):
        alice = await world.user(f"{code}@example.org")
        delete = replace(world.delete_me, check=replace(world.check, hasher=Interrupted(meanwhile)))
        assert await verdict(delete(await world.caller(alice.email), password=PASSWORD)) is code
        assert not gone(world, alice)
    alice = await world.user(ALICE)
    delete = replace(world.delete_me, check=replace(world.check, hasher=Interrupted(end)))
    assert await verdict(delete(await world.caller(), password=PASSWORD)) is Code.INVALID_CREDENTIALS
    assert owed(world, Kind.ACCOUNT_DELETED) == []


async def test_whoever_is_gone_already_is_nobody(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller()
    await world.delete_me(caller, password=PASSWORD)
    with refused(Code.TOKEN_REVOKED):
        await world.delete_me(caller, password=PASSWORD)


async def test_of_many_who_delete_one_account_at_once_one_has_and_one_mail_is_owed(world: World) -> None:
    alice = await world.user(ALICE)
    caller = await world.caller()
    outcomes = await at_once([partial(world.delete_me, caller, password=PASSWORD)] * 10)
    assert outcomes.count(None) == 1
    assert len(owed(world, Kind.ACCOUNT_DELETED)) == 1
    assert acts(world, alice).count(Action.DELETED) == 1


async def test_who_is_deleted_by_an_admin_is_told_too(world: World) -> None:
    await world.user(ALICE, role=Role.ADMIN)
    bob = await world.user(BOB)
    await world.ask_for_reset(email=BOB)
    await world.deliver_mail(limit=10)
    await world.delete_user(await world.caller(ALICE), bob.id, origin=HERE)
    [mail] = world.store.rows.mails.values()
    assert (mail.kind, mail.recipient, mail.user_id) == (Kind.ACCOUNT_DELETED, BOB, None)
    event = list(world.store.rows.events.values())[-1]
    assert (event.action, event.user_id, event.origin) == (Action.DELETED, bob.id, HERE)
