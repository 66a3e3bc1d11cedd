"""Password reset by link: it works once, for its user only, and ends all sessions."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest

from adapters.no_rate_limiter import NoRateLimiter
from adapters.uuid7 import uuid7
from application.mail.ports import MailDelayed
from domain.outbox import DeliveryOutcome, LinkPurpose, MailKind
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.session import EndReason
from domain.user import User
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    InterruptedHasher,
    change_link,
    claim,
    error_code_of,
    link,
    queued_mails,
    refused,
    request_email_change,
    reset_by_mail,
    run_concurrently,
    session_of,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


async def reset(world: World, token: str, password: str = OTHER_PASSWORD) -> None:
    await world.reset_password(token=token, new_password=password, confirm_password=password)


async def test_the_link_from_the_mail_sets_a_new_password(world: World) -> None:
    user = await world.user(ALICE)
    await world.request_reset(email="Alice@example.org")

    await reset(world, await world.mailed_token(ALICE))

    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.log_in(ALICE, PASSWORD)
    assert await world.log_in(ALICE, OTHER_PASSWORD)
    assert world.store.rows.users[user.id].credential_version == user.credential_version + 1


async def test_requesting_a_link_does_no_lookup_and_answers_alike(world: World) -> None:
    await world.user(ALICE)
    for email in (ALICE, BOB):
        await world.request_reset(email=email)
    assert [(mail.recipient, mail.user_id) for mail in queued_mails(world, MailKind.RESET)] == [
        (ALICE, None),
        (BOB, None),
    ]
    assert len(world.nudged) == 2


async def test_a_reset_ends_every_session_and_notifies_the_owner(world: World) -> None:
    user = await world.user(ALICE)
    pairs = [await world.log_in(ALICE) for _ in range(3)]

    await reset(world, link(world, user, LinkPurpose.RESET))

    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED] * 3
    assert {session_of(world, pair).end_reason for pair in pairs} == {EndReason.PASSWORD_CHANGED}
    (notice,) = queued_mails(world, MailKind.PASSWORD_CHANGED)
    assert (notice.recipient, notice.user_id) == (ALICE, user.id)
    assert len(world.store.rows.sessions) == 3


async def test_a_link_works_once(world: World) -> None:
    token = link(world, await world.user(ALICE), LinkPurpose.RESET)
    await reset(world, token)
    for password in (OTHER_PASSWORD, PASSWORD):
        with refused(ErrorCode.LINK_INVALID):
            await reset(world, token, password)
    assert await world.log_in(ALICE, OTHER_PASSWORD)


async def test_of_forty_concurrent_resets_one_succeeds_and_its_password_works(world: World) -> None:
    user = await world.user(ALICE)
    pair = await world.log_in(ALICE)
    token = link(world, user, LinkPurpose.RESET)
    passwords = [f"{OTHER_PASSWORD} {n}" for n in range(40)]
    through: list[str] = []

    unlimited = replace(world.reset_password, rate_limiter=NoRateLimiter())

    async def attempt(password: str) -> None:
        await unlimited(token=token, new_password=password, confirm_password=password)
        through.append(password)

    outcomes = await run_concurrently([partial(attempt, password) for password in passwords])

    refusals = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
    assert refusals == [ErrorCode.LINK_INVALID] * 39
    world.login = replace(world.login, check=replace(world.check, rate_limiter=NoRateLimiter()))
    entered = [password for password in passwords if await error_code_of(world.log_in(ALICE, password)) is None]
    assert entered == through
    assert len(queued_mails(world, MailKind.PASSWORD_CHANGED)) == 1
    assert await token_errors(world, pair) == REVOKED


async def test_using_one_link_voids_the_others(world: World) -> None:
    user = await world.user(ALICE)
    tokens = []
    for _ in range(3):
        tokens.append(link(world, user, LinkPurpose.RESET))
        world.clock.advance(seconds=5)
    await reset(world, tokens[1])
    assert [await error_code_of(reset(world, token)) for token in tokens] == [ErrorCode.LINK_INVALID] * 3


@pytest.mark.parametrize(
    ("password", "confirmed", "code", "field"),
    [
        (OTHER_PASSWORD, OTHER_PASSWORD + " ", ErrorCode.PASSWORD_MISMATCH, "confirm_password"),
        (OTHER_PASSWORD, OTHER_PASSWORD.upper(), ErrorCode.PASSWORD_MISMATCH, "confirm_password"),
        ("short", "short", ErrorCode.PASSWORD_WEAK, "new_password"),
        ("alice@example.org", "alice@example.org", ErrorCode.PASSWORD_WEAK, "new_password"),
        ("queen of 1234567", "queen of 1234567", ErrorCode.PASSWORD_WEAK, "new_password"),
    ],
)
async def test_a_refused_password_leaves_the_link_valid(
    world: World, password: str, confirmed: str, code: ErrorCode, field: str
) -> None:
    token = link(world, await world.user(ALICE, username="queen"), LinkPurpose.RESET)
    pair = await world.log_in(ALICE)
    paid = world.hasher.calls

    with refused(code, field=field):
        await world.reset_password(token=token, new_password=password, confirm_password=confirmed)

    assert world.hasher.calls == paid
    assert await token_errors(world, pair) == (None, None)
    await reset(world, token)
    assert await world.log_in(ALICE, OTHER_PASSWORD)


async def test_a_reset_names_both_passwords_where_both_are_wrong(world: World) -> None:
    token = link(world, await world.user(ALICE), LinkPurpose.RESET)
    with refused(ErrorCode.PASSWORD_MISMATCH, field="confirm_password") as no:
        await world.reset_password(token=token, new_password="short", confirm_password="another")
    assert [(other.code, other.field) for other in no.value.others] == [(ErrorCode.PASSWORD_WEAK, "new_password")]


@pytest.mark.parametrize(
    ("seconds", "code"), [(-1, None), (0, ErrorCode.LINK_EXPIRED), (86_400, ErrorCode.LINK_EXPIRED)]
)
async def test_a_link_works_for_half_an_hour(world: World, seconds: int, code: ErrorCode | None) -> None:
    token = link(world, await world.user(ALICE), LinkPurpose.RESET)
    world.clock.advance(minutes=30, seconds=seconds)
    assert await error_code_of(reset(world, token)) is code


async def test_verification_link_cannot_reset(world: World) -> None:
    user = await world.user(ALICE)
    with refused(ErrorCode.LINK_INVALID):
        await reset(world, link(world, user, LinkPurpose.VERIFY))


async def test_a_link_of_one_user_is_void_for_another(world: World) -> None:
    alice, bob = await world.user(ALICE), await world.user(BOB)
    await reset(world, link(world, alice, LinkPurpose.RESET))
    assert world.store.rows.users[bob.id] == bob
    assert await world.log_in(BOB)


async def test_reset_of_an_unverified_user_verifies_it_and_removes_others(world: World) -> None:
    rival = link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.VERIFY)
    planted = await world.log_in(ALICE)
    made = await claim(world, ALICE, "a passphrase that was forgotten")

    await reset(world, link(world, made, LinkPurpose.RESET))

    (owner,) = world.store.rows.users.values()
    assert (owner.id, owner.verified) == (made.id, True)
    assert await token_errors(world, planted) == REVOKED
    assert await error_code_of(world.log_in(ALICE, PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=rival)
    entered = await world.log_in(ALICE, OTHER_PASSWORD)
    assert (await world.authenticate(entered.access_token)).verified


async def test_a_planted_password_and_session_are_void_after_a_reset(world: World) -> None:
    planted = await claim(world, ALICE, PASSWORD)
    pair = await world.log_in(ALICE)
    pending = link(world, planted, LinkPurpose.VERIFY)

    await reset(world, link(world, planted, LinkPurpose.RESET))

    assert await token_errors(world, pair) == REVOKED
    assert await error_code_of(world.log_in(ALICE, PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=pending)


async def test_unverified_user_cannot_reset_after_another_has_verified(world: World) -> None:
    token = link(world, await claim(world, ALICE, PASSWORD), LinkPurpose.RESET)
    winner = await claim(world, ALICE, PASSWORD)
    await world.verify(token=link(world, winner, LinkPurpose.VERIFY))
    with refused(ErrorCode.LINK_INVALID):
        await reset(world, token)
    assert list(world.store.rows.users) == [winner.id]


async def test_a_reset_link_survives_any_number_of_password_changes(world: World) -> None:
    """Otherwise an attacker with the password could void every link before the owner opens it."""
    token = link(world, await world.user(ALICE), LinkPurpose.RESET)
    pair = await world.log_in(ALICE)
    for number in range(5):
        caller = await world.authenticate(pair.access_token)
        old, new = (PASSWORD if number == 0 else f"{OTHER_PASSWORD} {number}"), f"{OTHER_PASSWORD} {number + 1}"
        change = replace(world.change_password, rate_limiter=NoRateLimiter())
        pair = await change(caller, current_password=old, new_password=new)
    await reset(world, token, "yet another fine passphrase")
    assert await token_errors(world, pair) == REVOKED
    assert await error_code_of(world.log_in(ALICE, f"{OTHER_PASSWORD} 5")) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(world.log_in(ALICE, "yet another fine passphrase")) is None


async def test_newer_reset_link_invalidates_an_older_one(world: World) -> None:
    await world.user(ALICE)
    tokens = []
    for _ in range(2):
        await world.request_reset(email=ALICE)
        tokens.append(await world.mailed_token(ALICE))
        world.clock.advance(seconds=1)
    with refused(ErrorCode.LINK_INVALID):
        await reset(world, tokens[0])
    await reset(world, tokens[1])


async def test_a_resent_reset_link_is_the_same_and_stays_valid(world: World) -> None:
    await world.user(ALICE)
    await world.request_reset(email=ALICE)
    world.mailer.trouble = MailDelayed("later")
    await world.deliver_mail(limit=10)
    world.mailer.trouble = None
    world.clock.advance(minutes=5)
    token = await world.mailed_token(ALICE)
    (mail,) = queued_mails(world, MailKind.RESET)
    again = replace(mail, id=uuid7(), outcome=None, due_at=world.clock())
    async with world.begin() as work:
        await work.outbox.add(again)
    assert await world.mailed_token(ALICE) == token
    await reset(world, token)


async def test_late_mail_with_an_older_reset_link_is_not_sent(world: World) -> None:
    await world.user(ALICE)
    await world.request_reset(email=ALICE)
    world.mailer.trouble = MailDelayed("later")
    await world.deliver_mail(limit=10)
    world.mailer.trouble = None
    world.clock.advance(seconds=2)
    await world.request_reset(email=ALICE)
    await world.deliver_mail(limit=10)
    world.clock.advance(minutes=5)
    await world.deliver_mail(limit=10)
    assert [mail.outcome for mail in queued_mails(world, MailKind.RESET)] == [
        DeliveryOutcome.DROPPED,
        DeliveryOutcome.SENT,
    ]
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)


async def test_a_reset_link_from_before_a_ban_or_role_change_is_void(world: World) -> None:
    await world.user(BOB, role=Role.ADMIN)
    boss = await world.caller(BOB)
    user = await world.user(ALICE)

    async def ban() -> None:
        await world.change_user(boss, user.id, disabled=True)
        await world.change_user(boss, user.id, disabled=False)

    async def promote() -> None:
        await world.change_user(boss, user.id, role=Role.MODERATOR)

    async def grant() -> None:
        await world.grant_role(email=ALICE, role=Role.MEMBER)

    for act in (ban, promote, grant):
        token = link(world, user, LinkPurpose.RESET)
        await act()
        with refused(ErrorCode.LINK_INVALID):
            await reset(world, token)
    await reset(world, link(world, user, LinkPurpose.RESET))


async def test_a_reset_link_is_void_once_the_address_has_changed(world: World) -> None:
    user = await world.user(ALICE)
    token = link(world, user, LinkPurpose.RESET)
    change = await request_email_change(world, user, BOB)
    await world.confirm_email(token=change_link(world, change, LinkPurpose.EMAIL))
    with refused(ErrorCode.LINK_INVALID):
        await reset(world, token)


async def test_a_link_survives_a_rehash_at_login(world: World) -> None:
    old = (await world.hasher.hash(PASSWORD)).replace("memory$", "old$")
    user = await world.create_user(email=ALICE, role=Role.MEMBER, verified=True, password_hash=old)
    assert user is not None
    token = link(world, user, LinkPurpose.RESET)
    await world.log_in(ALICE)
    await reset(world, token)


async def _disable(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.set_disabled(user.id, True, now=world.clock())


async def _remove(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())


async def _change(world: World, user: User) -> None:
    caller = await world.caller(ALICE)
    await world.change_password(caller, current_password=PASSWORD, new_password="yet another fine passphrase")


@pytest.mark.parametrize("first", [_disable, _remove])
async def test_a_link_of_a_disabled_or_deleted_user_is_void(
    world: World, first: Callable[[World, User], Awaitable[None]]
) -> None:
    user = await world.user(ALICE)
    token = link(world, user, LinkPurpose.RESET)
    await first(world, user)
    with refused(ErrorCode.LINK_INVALID):
        await reset(world, token)


@pytest.mark.parametrize("meanwhile", [_remove, _disable])
async def test_a_concurrent_change_while_hashing_wins(
    world: World, meanwhile: Callable[[World, User], Awaitable[None]]
) -> None:
    user = await world.user(ALICE)
    token = link(world, user, LinkPurpose.RESET)
    slow = replace(world.reset_password, hasher=InterruptedHasher(by=lambda: meanwhile(world, user)))

    with refused(ErrorCode.LINK_INVALID):
        await slow(token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)

    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS


async def test_reset_wins_over_a_concurrent_password_change(world: World) -> None:
    user = await world.user(ALICE)
    token = link(world, user, LinkPurpose.RESET)
    slow = replace(world.reset_password, hasher=InterruptedHasher(by=lambda: _change(world, user)))
    await slow(token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)
    assert await error_code_of(world.log_in(ALICE, "yet another fine passphrase")) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is None


async def test_an_old_link_does_not_affect_a_new_user_of_the_address(world: World) -> None:
    former = await world.user(ALICE)
    token = link(world, former, LinkPurpose.RESET)
    await _remove(world, former)
    await world.user(ALICE)
    with refused(ErrorCode.LINK_INVALID):
        await reset(world, token)
    assert await world.log_in(ALICE, PASSWORD)
