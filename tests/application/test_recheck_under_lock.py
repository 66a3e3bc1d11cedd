"""A request that changes an account checks its session and freshness again under the lock: another request may have
ended the session, or added a factor, after the guard."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest

from domain.factor import FactorKind
from domain.refusals import ErrorCode
from domain.role import Role
from domain.tokens import AccessToken
from domain.user import User
from tests.support.factor_owner import FactorOwner, factor_owner
from tests.support.use_cases import ALICE, BOB, InterruptedHasher, refused
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

Act = Callable[[World, AccessToken], Awaitable[object]]
THIEF = "thief@example.net"


async def change_password(world: World, caller: AccessToken) -> None:
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)


async def change_email(world: World, caller: AccessToken) -> None:
    await world.change_email(caller, new_email=THIEF, password=PASSWORD)


async def delete_me(world: World, caller: AccessToken) -> None:
    await world.delete_me(caller, password=PASSWORD)


OWN_ACTS = pytest.mark.parametrize("act", [change_password, change_email, delete_me])


def interrupt(world: World, by: Callable[[], Awaitable[object]]) -> None:
    """Run it once, between the check of the password and the lock."""
    hasher = InterruptedHasher(by)
    check = replace(world.check, hasher=hasher)
    world.change_password = replace(world.change_password, check=check)
    world.change_email = replace(world.change_email, check=check)
    world.delete_me = replace(world.delete_me, check=check)


def nothing_changed(world: World, before: User) -> None:
    now = world.store.rows.users[before.id]
    assert (now.email, now.password_hash, now.credential_version) == (
        before.email,
        before.password_hash,
        before.credential_version,
    )
    assert world.store.rows.email_changes == {}


@OWN_ACTS
async def test_act_is_refused_after_a_factor_was_added_meanwhile(world: World, act: Act) -> None:
    owner = await factor_owner(world)
    interrupt(world, partial(owner.enrol, FactorKind.TOTP))
    with refused(ErrorCode.STEP_UP_REQUIRED):
        await act(world, owner.caller)
    nothing_changed(world, owner.user)


@OWN_ACTS
async def test_act_is_refused_after_the_session_has_ended_meanwhile(world: World, act: Act) -> None:
    owner = await factor_owner(world)
    interrupt(world, partial(world.logout_everywhere, owner.caller))
    with refused(ErrorCode.TOKEN_REVOKED):
        await act(world, owner.caller)
    nothing_changed(world, owner.user)


ADMIN_ACTS: dict[str, Callable[[World, AccessToken, User], Awaitable[object]]] = {
    "role": lambda world, caller, user: world.change_user(caller, user.id, role=Role.MODERATOR),
    "delete": lambda world, caller, user: world.delete_user(caller, user.id),
    "reset factors": lambda world, caller, user: world.reset_factors(caller, user.id),
    "invite": lambda world, caller, _: world.invite(caller, email="new@example.org", role=Role.MODERATOR),
}


@pytest.mark.parametrize("act", ADMIN_ACTS)
@pytest.mark.parametrize("meanwhile", ["factor", "logout"])
async def test_act_of_an_admin_is_checked_under_the_lock(world: World, act: str, meanwhile: str) -> None:
    """The guard has accepted the token before."""
    user, admin = await world.user(ALICE), await factor_owner(world, email=BOB, role=Role.ADMIN)
    code = await _meanwhile(world, admin, meanwhile)
    with refused(code):
        await ADMIN_ACTS[act](world, admin.caller, user)
    assert world.store.rows.users[user.id] == user


async def _meanwhile(world: World, admin: FactorOwner, what: str) -> ErrorCode:
    if what == "logout":
        await world.logout_everywhere(admin.caller)
        return ErrorCode.TOKEN_REVOKED
    await admin.enrol(FactorKind.TOTP)
    return ErrorCode.STEP_UP_REQUIRED
