"""Verification is idempotent and removes all other unverified users of the address."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from domain.audit import EventType
from domain.outbox import LinkPurpose, MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from domain.session import EndReason
from domain.user import NO_PASSWORD
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    InterruptedHasher,
    claim,
    error_code_of,
    link,
    queued_mails,
    refused,
    reset_by_mail,
    run_concurrently,
    session_of,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


async def test_the_link_from_the_mail_verifies_the_address(world: World) -> None:
    await world.register(email=ALICE, password=PASSWORD)
    user = await world.verify(token=await world.mailed_token(ALICE))
    assert user.verified
    assert (await world.caller(ALICE)).verified


async def test_verifying_is_idempotent(world: World) -> None:
    token = link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.VERIFY)
    assert await world.verify(token=token) == await world.verify(token=token)


async def test_every_other_unverified_user_is_removed_with_their_sessions(world: World) -> None:
    passwords = [f"{PASSWORD} number {n}" for n in range(3)]
    claims, pairs = [], []
    for password in passwords:
        claims.append(await claim(world, ALICE, password))
        pairs.append(await world.log_in(ALICE, password))
    links = [link(world, made, LinkPurpose.VERIFY) for made in claims]

    await world.verify(token=links[1])

    assert [user.id for user in world.store.rows.users.values()] == [claims[1].id]
    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED] * 3
    assert session_of(world, pairs[0]).end_reason is EndReason.SUPERSEDED
    for dead in (links[0], links[2]):
        with refused(ErrorCode.LINK_INVALID):
            await world.verify(token=dead)


@pytest.mark.parametrize("followed", [0, 1], ids=["the first mail", "the second mail"])
async def test_verifying_a_contested_address_drops_passwords_and_mails_a_reset(world: World, followed: int) -> None:
    """The owner of the mailbox does not know whose registration a mail is about."""
    passwords = [PASSWORD, OTHER_PASSWORD]
    claims = [await claim(world, ALICE, password) for password in passwords]
    token = link(world, claims[followed], LinkPurpose.VERIFY)
    pair = await world.log_in(ALICE, passwords[1])

    user = await world.verify(token=token)

    assert (user.id, user.verified, user.password_hash) == (claims[followed].id, True, NO_PASSWORD)
    assert await token_errors(world, pair) == REVOKED
    for password in (*passwords, "", NO_PASSWORD):
        assert await error_code_of(world.log_in(ALICE, password)) is ErrorCode.INVALID_CREDENTIALS
    assert await world.verify(token=token) == user
    await reset_by_mail(world, ALICE, "a passphrase of the owner")
    assert await error_code_of(world.log_in(ALICE, "a passphrase of the owner")) is None
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=token)


async def test_verifying_an_uncontested_address_keeps_password_and_session(world: World) -> None:
    token = link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.VERIFY)
    pair = await world.log_in(ALICE)
    await world.verify(token=token)
    assert await token_errors(world, pair) == (None, None)
    assert await error_code_of(world.log_in(ALICE)) is None
    assert queued_mails(world, MailKind.RESET) == []


@pytest.mark.parametrize("followed", [0, 1], ids=["the first mail", "the second mail"])
async def test_verifying_keeps_a_password_registered_twice(world: World, followed: int) -> None:
    """A repeated registration with the same password is by the same person."""
    claims = [await claim(world, ALICE, PASSWORD) for _ in range(2)]
    await world.verify(token=link(world, claims[followed], LinkPurpose.VERIFY))
    assert await error_code_of(world.log_in(ALICE)) is None
    assert queued_mails(world, MailKind.PASSWORD_NEEDED) == []


async def test_login_during_a_contested_verification_leaves_no_session(world: World) -> None:
    await claim(world, ALICE, OTHER_PASSWORD)
    token = link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.VERIFY)

    async def verify() -> None:
        await world.verify(token=token)

    world.login = replace(world.login, check=replace(world.check, hasher=InterruptedHasher(by=verify)))
    assert await error_code_of(world.log_in(ALICE)) is ErrorCode.INVALID_CREDENTIALS
    assert [it for it in world.store.rows.sessions.values() if it.ended_at is None] == []


async def test_of_many_concurrent_verifications_of_an_address_one_wins(world: World) -> None:
    claims = [await claim(world, ALICE, PASSWORD) for _ in range(10)]
    tokens = [link(world, made, LinkPurpose.VERIFY) for made in claims]

    outcomes = await run_concurrently([partial(world.verify, token=token) for token in tokens])

    (winner,) = world.store.rows.users.values()
    assert [outcome for outcome in outcomes if outcome == winner] == [winner]
    assert winner.verified


async def test_an_address_verified_meanwhile_cannot_be_verified_by_another(world: World) -> None:
    token = link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.VERIFY)
    winner = await claim(world, ALICE, PASSWORD)
    await world.verify(token=link(world, winner, LinkPurpose.VERIFY))
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=token)


async def test_unverified_users_of_other_addresses_are_not_affected(world: World) -> None:
    other = await claim(world, BOB, PASSWORD)
    await world.verify(token=link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.VERIFY))
    assert world.store.rows.users[other.id] == other


async def test_a_username_taken_meanwhile_is_dropped(world: World) -> None:
    late = await claim(world, ALICE, PASSWORD, username="queen")
    early = await claim(world, BOB, PASSWORD, username="Queen")

    assert (await world.verify(token=link(world, early, LinkPurpose.VERIFY))).username == "Queen"
    assert (await world.verify(token=link(world, late, LinkPurpose.VERIFY))).username is None


@pytest.mark.parametrize(("age", "code"), [(-1, None), (0, ErrorCode.LINK_EXPIRED), (1, ErrorCode.LINK_EXPIRED)])
async def test_a_link_works_for_24_hours(world: World, age: int, code: ErrorCode | None) -> None:
    token = link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.VERIFY)
    world.clock.advance(hours=24, seconds=age)
    assert await error_code_of(world.verify(token=token)) is code


async def test_a_reset_link_does_not_verify(world: World) -> None:
    made = await claim(world, ALICE, PASSWORD)
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=link(world, made, LinkPurpose.RESET))
    assert not world.store.rows.users[made.id].verified


async def test_a_link_is_void_once_the_password_has_changed(world: World) -> None:
    token = link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.VERIFY)
    caller = await world.caller(ALICE)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=token)


async def test_a_link_of_a_deleted_user_is_void(world: World) -> None:
    boss = await world.user(BOB)
    token = link(world, boss, LinkPurpose.VERIFY)
    async with world.begin() as work:
        await work.users.remove(boss.id, now=world.clock())
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=token)


async def test_requesting_another_link_does_no_lookup_and_answers_alike(world: World) -> None:
    await world.user(ALICE)
    for email in (ALICE, "Nobody@Example.org"):
        await world.request_verification(email=email)
    assert [(mail.recipient, mail.user_id) for mail in queued_mails(world, MailKind.VERIFY)] == [
        (ALICE, None),
        ("nobody@example.org", None),
    ]


async def test_a_requested_link_verifies_the_address(world: World) -> None:
    await world.register(email=ALICE, password=PASSWORD)
    world.clock.advance(hours=25)
    await world.request_verification(email=ALICE)
    user = await world.verify(token=await world.mailed_token(ALICE))
    assert user.verified
    assert user.created_at == world.clock() - timedelta(hours=25)


async def test_a_role_granted_before_verification_is_dropped(world: World) -> None:
    boss = await world.user("root@example.org", role=Role.ADMIN)
    squatter = await claim(world, ALICE, PASSWORD)
    await world.change_user(await world.caller(boss.email), squatter.id, role=Role.ADMIN)
    planted = await world.caller(ALICE)
    user = await world.verify(token=link(world, squatter, LinkPurpose.VERIFY))
    assert (user.verified, user.role) == (True, Role.MEMBER)
    page, _ = await world.list_events(user.id, limit=1)
    assert (page[0].action, page[0].detail) == (
        EventType.ROLE_CHANGED,
        "from admin to member, because it was granted before the address was verified",
    )
    assert (await world.caller(ALICE)).role is Role.MEMBER
    assert planted.generation < world.store.rows.sessions[planted.session_id].min_generation


async def test_users_created_by_the_operator_or_reset_by_mail_keep_the_role(world: World) -> None:
    made = await world.create_user(email=ALICE, role=Role.MODERATOR, verified=False, password=PASSWORD)
    assert made is not None
    assert (await world.verify(token=link(world, made, LinkPurpose.VERIFY))).role is Role.MODERATOR
    boss = await world.user("root@example.org", role=Role.ADMIN)
    bob = await claim(world, BOB, PASSWORD)
    await world.change_user(await world.caller(boss.email), bob.id, role=Role.MODERATOR)
    await world.reset_password(
        token=link(world, bob, LinkPurpose.RESET), new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD
    )
    bobs = await world.authenticate((await world.log_in(BOB, OTHER_PASSWORD)).access_token)
    assert (bobs.verified, bobs.role) == (True, Role.MODERATOR)
