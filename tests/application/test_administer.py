"""Administration of users: only of lower roles, up to the own role, and never the last admin."""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import pytest

from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.session import EndReason
from domain.tokens import AccessToken
from domain.user import User
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    claim,
    error_code_of,
    refused,
    run_concurrently,
    session_of,
    token_errors,
)
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

UNKNOWN_ID = UUID("01939c00-0000-7000-8000-000000000000")
MEMBER, MODERATOR, ADMIN = Role

Deed = Callable[[World, AccessToken, UUID], Awaitable[object]]


async def _grant(role: Role, world: World, caller: AccessToken, user_id: UUID) -> object:
    return await world.change_user(caller, user_id, role=role)


async def _disable(world: World, caller: AccessToken, user_id: UUID) -> object:
    return await world.change_user(caller, user_id, disabled=True)


async def _disable_and_demote(world: World, caller: AccessToken, user_id: UUID) -> object:
    return await world.change_user(caller, user_id, role=MEMBER, disabled=True)


async def _delete(world: World, caller: AccessToken, user_id: UUID) -> None:
    await world.delete_user(caller, user_id)


async def _end(world: World, caller: AccessToken, user_id: UUID) -> None:
    await world.admin_revoke_sessions(caller, user_id)


FALLS: list[Deed] = [partial(_grant, MEMBER), partial(_grant, MODERATOR), _disable, _disable_and_demote, _delete]
NAMES = ["demote", "demote a little", "disable", "disable and demote", "delete"]


async def caller_and_target(world: World, actor: Role, target: Role) -> tuple[AccessToken, User]:
    """An actor, a target, and another admin."""
    await world.user("root@example.org", role=ADMIN)
    await world.user(ALICE, role=actor)
    return await world.caller(ALICE), await world.user(BOB, role=target)


# -- the ladder -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", Role)
@pytest.mark.parametrize("actor", Role)
@pytest.mark.parametrize("deed", [*(partial(_grant, role) for role in Role), _disable, _delete])
async def test_only_admins_change_users(world: World, deed: Deed, actor: Role, target: Role) -> None:
    caller, user = await caller_and_target(world, actor, target)
    before = world.store.rows.copy()
    code = await error_code_of(deed(world, caller, user.id))
    below = None if target is not ADMIN else ErrorCode.FORBIDDEN
    assert code is (below if actor is ADMIN else ErrorCode.ROLE_REQUIRED)
    assert code is None or world.store.rows == before


@pytest.mark.parametrize(
    ("actor", "target", "code"),
    [
        (MEMBER, MEMBER, ErrorCode.ROLE_REQUIRED),
        (MEMBER, MODERATOR, ErrorCode.ROLE_REQUIRED),
        (MEMBER, ADMIN, ErrorCode.ROLE_REQUIRED),
        (MODERATOR, MEMBER, None),
        (MODERATOR, MODERATOR, ErrorCode.FORBIDDEN),
        (MODERATOR, ADMIN, ErrorCode.FORBIDDEN),
        (ADMIN, MEMBER, None),
        (ADMIN, MODERATOR, None),
        (ADMIN, ADMIN, ErrorCode.FORBIDDEN),
    ],
)
async def test_sessions_of_users_with_a_lower_role_can_be_ended(
    world: World, actor: Role, target: Role, code: ErrorCode | None
) -> None:
    caller, user = await caller_and_target(world, actor, target)
    pair = await world.log_in(BOB)
    assert await error_code_of(world.admin_revoke_sessions(caller, user.id)) is code
    assert await token_errors(world, pair) == ((None, None) if code else REVOKED)
    assert (session_of(world, pair).end_reason is EndReason.LOGOUT_ALL) == (code is None)


@pytest.mark.parametrize("role", Role)
async def test_a_granted_role_takes_effect_at_once(world: World, role: Role) -> None:
    caller, user = await caller_and_target(world, ADMIN, MEMBER)
    changed = await world.change_user(caller, user.id, role=role)
    assert changed.role is role
    assert world.store.rows.users[user.id] == changed
    assert (await world.caller(BOB)).role is role


async def test_granting_the_current_role_changes_nothing(world: World) -> None:
    caller, user = await caller_and_target(world, ADMIN, MODERATOR)
    pair = await world.log_in(BOB)
    await world.change_user(caller, user.id, role=MODERATOR, disabled=False)
    assert await token_errors(world, pair) == (None, None)


@pytest.mark.parametrize("deed", [partial(_grant, MEMBER), _disable, _delete, _end])
async def test_an_unknown_user_is_not_found(world: World, deed: Deed) -> None:
    caller, _ = await caller_and_target(world, ADMIN, MEMBER)
    with refused(ErrorCode.NOT_FOUND):
        await deed(world, caller, UNKNOWN_ID)


@pytest.mark.parametrize("deed", [partial(_grant, MEMBER), _disable, _delete, _end])
async def test_a_refused_actor_does_not_learn_which_users_exist(world: World, deed: Deed) -> None:
    caller, user = await caller_and_target(world, MEMBER, MEMBER)
    codes = [await error_code_of(deed(world, caller, user_id)) for user_id in (user.id, UNKNOWN_ID)]
    assert codes == [ErrorCode.ROLE_REQUIRED] * 2


# -- disabling and deleting -------------------------------------------------------------------------------


async def test_disabling_ends_every_session_and_enabling_restores_none(world: World) -> None:
    caller, user = await caller_and_target(world, ADMIN, MEMBER)
    pairs = [await world.log_in(BOB), await world.log_in(BOB)]

    assert (await world.change_user(caller, user.id, disabled=True)).disabled
    with refused(ErrorCode.ACCOUNT_DISABLED):
        await world.log_in(BOB)

    assert not (await world.change_user(caller, user.id, disabled=False)).disabled
    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED, REVOKED]
    assert {session_of(world, pair).end_reason for pair in pairs} == {EndReason.DISABLED}
    assert await token_errors(world, await world.log_in(BOB)) == (None, None)


async def test_role_and_ban_can_change_together(world: World) -> None:
    caller, user = await caller_and_target(world, ADMIN, MODERATOR)
    pair = await world.log_in(BOB)
    changed = await world.change_user(caller, user.id, role=MEMBER, disabled=True)
    assert (changed.role, changed.disabled) == (MEMBER, True)
    assert await token_errors(world, pair) == REVOKED


async def test_a_deleted_user_is_refused_and_the_address_is_free(world: World) -> None:
    caller, user = await caller_and_target(world, ADMIN, MEMBER)
    pair = await world.log_in(BOB)

    await world.delete_user(caller, user.id)

    assert user.id not in world.store.rows.users
    assert await token_errors(world, pair) == REVOKED
    assert session_of(world, pair).end_reason is EndReason.DELETED
    assert await error_code_of(world.log_in(BOB)) is ErrorCode.INVALID_CREDENTIALS
    assert (await claim(world, BOB, PASSWORD)).id != user.id


# -- the actor as the store knows them --------------------------------------------------------------------


async def _demoted(world: World, actor: UUID) -> None:
    async with world.begin() as work:
        await work.users.set_role(actor, MEMBER)


async def _disabled(world: World, actor: UUID) -> None:
    async with world.begin() as work:
        await work.users.set_disabled(actor, True, now=world.clock())


async def _removed(world: World, actor: UUID) -> None:
    async with world.begin() as work:
        await work.users.remove(actor, now=world.clock())


@pytest.mark.parametrize("fell", [_demoted, _disabled, _removed])
@pytest.mark.parametrize("deed", [partial(_grant, ADMIN), _disable, _delete, _end])
async def test_an_actor_demoted_since_the_token_was_issued_is_refused(
    world: World, deed: Deed, fell: Callable[[World, UUID], Awaitable[None]]
) -> None:
    caller, user = await caller_and_target(world, ADMIN, MEMBER)
    await fell(world, caller.user_id)
    assert caller.role is ADMIN
    with refused(ErrorCode.ROLE_REQUIRED):
        await deed(world, caller, user.id)


@pytest.mark.parametrize("deed", [partial(_grant, ADMIN), _disable, _delete, _end])
async def test_an_unverified_actor_has_no_role(world: World, deed: Deed) -> None:
    _, user = await caller_and_target(world, MEMBER, MEMBER)
    await world.create_user(email="carol@example.org", role=ADMIN, verified=False, password=PASSWORD)
    with refused(ErrorCode.ROLE_REQUIRED):
        await deed(world, await world.caller("carol@example.org"), user.id)


async def test_an_actor_promoted_since_the_token_was_issued_has_the_new_role(world: World) -> None:
    caller, user = await caller_and_target(world, MEMBER, MEMBER)
    async with world.begin() as work:  # `grant_role` would revoke the token
        await work.users.set_role(caller.user_id, ADMIN)
    assert caller.role is MEMBER
    assert (await world.change_user(caller, user.id, role=MODERATOR)).role is MODERATOR


# -- the last admin ---------------------------------------------------------------------------------------


def governing(world: World) -> list[User]:
    return [user for user in world.store.rows.users.values() if user.is_active_admin]


@pytest.mark.parametrize("fall", FALLS, ids=NAMES)
async def test_the_last_admin_cannot_be_removed(world: World, fall: Deed) -> None:
    last = await world.user(ALICE, role=ADMIN)
    caller = await world.caller(ALICE)
    await world.create_user(email=BOB, role=ADMIN, verified=False, password=PASSWORD)
    await _disabled(world, (await world.user("carol@example.org", role=ADMIN)).id)
    before = world.store.rows.copy()

    with refused(ErrorCode.LAST_ADMIN):
        await fall(world, caller, last.id)

    assert world.store.rows == before
    assert await world.authenticate((await world.log_in(ALICE)).access_token, role=ADMIN)


@pytest.mark.parametrize("fall", FALLS, ids=NAMES)
async def test_one_of_several_admins_can_be_removed(world: World, fall: Deed) -> None:
    caller, _ = await caller_and_target(world, ADMIN, MEMBER)
    await fall(world, caller, caller.user_id)
    assert [user.email for user in governing(world)] == ["root@example.org"]


@pytest.mark.parametrize("second_deed", FALLS, ids=NAMES)
@pytest.mark.parametrize("first_deed", FALLS, ids=NAMES)
async def test_of_two_admins_who_leave_concurrently_one_remains(
    world: World, first_deed: Deed, second_deed: Deed
) -> None:
    alice, bob = await world.user(ALICE, role=ADMIN), await world.user(BOB, role=ADMIN)
    one, other = await world.caller(ALICE), await world.caller(BOB)

    outcomes = await run_concurrently(
        [partial(first_deed, world, one, alice.id), partial(second_deed, world, other, bob.id)]
    )

    assert len(governing(world)) == 1
    (refusal,) = (outcome for outcome in outcomes if isinstance(outcome, Refusal))
    assert refusal.code is ErrorCode.LAST_ADMIN


@pytest.mark.parametrize("fall", [*FALLS, _end], ids=[*NAMES, "end sessions"])
async def test_admins_cannot_manage_each_other(world: World, fall: Deed) -> None:
    caller, peer = await caller_and_target(world, ADMIN, ADMIN)
    before = world.store.rows.copy()
    with refused(ErrorCode.FORBIDDEN):
        await fall(world, caller, peer.id)
    assert world.store.rows == before


@pytest.mark.parametrize("deed", [*FALLS, _end], ids=[*NAMES, "end sessions"])
async def test_an_unverified_admin_can_be_managed_by_admins(world: World, deed: Deed) -> None:
    caller, _ = await caller_and_target(world, ADMIN, MEMBER)
    made = await world.create_user(email="carol@example.org", role=ADMIN, verified=False, password=PASSWORD)
    assert made is not None
    await deed(world, caller, made.id)


@pytest.mark.parametrize("fall", FALLS, ids=NAMES)
async def test_of_five_admins_who_leave_concurrently_one_remains(world: World, fall: Deed) -> None:
    emails = [f"admin{n}@example.org" for n in range(5)]
    for email in emails:
        await world.user(email, role=ADMIN)
    callers = [await world.caller(email) for email in emails]

    outcomes = await run_concurrently([partial(fall, world, caller, caller.user_id) for caller in callers])

    assert len(governing(world)) == 1
    assert [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)] == [ErrorCode.LAST_ADMIN]
