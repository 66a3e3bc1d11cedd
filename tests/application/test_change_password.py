"""A new password for somebody who knows the old one: a new session for them, and an end to all others."""

from dataclasses import replace

import pytest

from domain.client_info import ClientInfo
from domain.outbox import LinkPurpose, MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from domain.session import EndReason
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
    session_of,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


async def test_every_session_ends_and_the_caller_gets_a_new_one(world: World) -> None:
    user = await world.user(ALICE, role=Role.MODERATOR)
    elsewhere, here = await world.log_in(ALICE), await world.log_in(ALICE)
    caller = await world.authenticate(here.access_token)

    renewed = await world.change_password(
        caller,
        current_password=PASSWORD,
        new_password=OTHER_PASSWORD,
        client_info=ClientInfo(user_agent="curl/8", ip="192.0.2.7"),
    )

    assert [await token_errors(world, pair) for pair in (elsewhere, here)] == [REVOKED, REVOKED]
    assert {session_of(world, pair).end_reason for pair in (elsewhere, here)} == {EndReason.PASSWORD_CHANGED}
    session = session_of(world, renewed)
    assert (session.user_id, session.client_info.user_agent, session.client_info.ip) == (
        user.id,
        "curl/8",
        "192.0.2.7",
    )
    assert (await world.authenticate(renewed.access_token, role=Role.MODERATOR)).session_id == session.id
    assert await world.refresh(refresh_token=renewed.refresh_token)


async def test_the_new_password_works_and_the_old_one_does_not(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert await error_code_of(world.log_in(ALICE, PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is None


async def test_the_owner_gets_a_notice(world: World) -> None:
    user = await world.user(ALICE)
    caller = await world.caller(ALICE)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    (notice,) = queued_mails(world, MailKind.PASSWORD_CHANGED)
    assert (notice.recipient, notice.user_id) == (ALICE, user.id)
    assert notice.id in world.nudged


async def test_an_unverified_address_gets_no_notice(world: World) -> None:
    """The mailbox may be a stranger's, and a password can be changed as often as one likes."""
    await claim(world, ALICE, PASSWORD)
    caller = await world.caller(ALICE)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert not queued_mails(world, MailKind.PASSWORD_CHANGED)
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is None


@pytest.mark.parametrize(
    ("current", "new", "confirm", "code", "field"),
    [
        (OTHER_PASSWORD, OTHER_PASSWORD, None, ErrorCode.INVALID_CREDENTIALS, "current_password"),
        ("", OTHER_PASSWORD, None, ErrorCode.INVALID_CREDENTIALS, "current_password"),
        (PASSWORD.upper(), "short", None, ErrorCode.INVALID_CREDENTIALS, "current_password"),
        (PASSWORD, "short", None, ErrorCode.PASSWORD_WEAK, "new_password"),
        (PASSWORD, "alice@example.org", None, ErrorCode.PASSWORD_WEAK, "new_password"),
        (PASSWORD, OTHER_PASSWORD, PASSWORD, ErrorCode.PASSWORD_MISMATCH, "confirm_password"),
    ],
)
async def test_a_refused_change_changes_nothing(
    world: World, current: str, new: str, confirm: str | None, code: ErrorCode, field: str
) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    caller = await world.authenticate(pair.access_token)
    before = world.store.rows.copy()

    with refused(code, field=field):
        await world.change_password(caller, current_password=current, new_password=new, confirm_password=confirm)

    assert world.store.rows == before
    assert await token_errors(world, pair) == (None, None)
    assert await world.log_in(ALICE, PASSWORD)


async def test_a_wrong_current_password_costs_one_hash(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    paid = world.hasher.calls
    with refused(ErrorCode.INVALID_CREDENTIALS, field="current_password"):
        await world.change_password(caller, current_password=OTHER_PASSWORD, new_password=OTHER_PASSWORD)
    assert world.hasher.calls == paid + 1


async def test_earlier_links_are_void_except_reset_links(world: World) -> None:
    user = await world.user(ALICE)
    tokens = {purpose: link(world, user, purpose) for purpose in LinkPurpose}
    caller = await world.caller(ALICE)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    with refused(ErrorCode.LINK_INVALID):
        await world.verify(token=tokens[LinkPurpose.VERIFY])
    by_link = "a passphrase set by link"
    await world.reset_password(token=tokens[LinkPurpose.RESET], new_password=by_link, confirm_password=by_link)
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(world.log_in(ALICE, by_link)) is None


async def test_a_concurrent_reset_wins(world: World) -> None:
    user = await world.user(ALICE)
    token = link(world, user, LinkPurpose.RESET)
    caller = await world.caller(ALICE)
    by_link = "a passphrase set by link"

    async def reset() -> None:
        await world.reset_password(token=token, new_password=by_link, confirm_password=by_link)

    change = replace(world.change_password, hasher=InterruptedHasher(by=reset))
    with refused(ErrorCode.INVALID_CREDENTIALS, field="current_password"):
        await change(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)

    entered = [await error_code_of(world.log_in(ALICE, text)) for text in (PASSWORD, OTHER_PASSWORD, by_link)]
    assert entered == [ErrorCode.INVALID_CREDENTIALS, ErrorCode.INVALID_CREDENTIALS, None]


async def test_a_user_disabled_meanwhile_gets_neither_password_nor_session(world: World) -> None:
    user = await world.user(ALICE)
    await world.user(BOB, role=Role.ADMIN)
    caller, boss = await world.caller(ALICE), await world.caller(BOB)
    change = replace(
        world.change_password, hasher=InterruptedHasher(by=lambda: world.change_user(boss, user.id, disabled=True))
    )

    with refused(ErrorCode.ACCOUNT_DISABLED):
        await change(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)

    assert world.store.rows.users[user.id] == replace(user.without_reset_links(), disabled=True)
    assert not queued_mails(world, MailKind.PASSWORD_CHANGED)
    assert not [s for s in world.store.rows.sessions.values() if s.user_id == user.id and s.ended_at is None]


async def test_a_deleted_user_cannot_change_the_password(world: World) -> None:
    user = await world.user(ALICE)
    caller = await world.caller(ALICE)
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)


async def test_changing_a_password_does_not_verify_the_address(world: World) -> None:
    made = await claim(world, ALICE, PASSWORD)
    caller = await world.caller(ALICE)
    renewed = await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert not world.store.rows.users[made.id].verified
    with refused(ErrorCode.NOT_VERIFIED):
        await world.authenticate(renewed.access_token, role=Role.MEMBER)


async def test_of_two_concurrent_changes_one_succeeds(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    first = "a passphrase that came first"

    async def change_first() -> None:
        await world.change_password(caller, current_password=PASSWORD, new_password=first)

    late = replace(world.change_password, hasher=InterruptedHasher(by=change_first))
    with refused(ErrorCode.INVALID_CREDENTIALS, field="current_password"):
        await late(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    assert await world.log_in(ALICE, first)
    assert len(queued_mails(world, MailKind.PASSWORD_CHANGED)) == 1
