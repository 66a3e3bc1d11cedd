"""Reset of all factors, by an admin or on the command line: for users who have lost them."""

import pytest

from domain.audit import EventType
from domain.authentication import AssuranceLevel
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import FactorKind
from domain.outbox import MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from domain.session import EndReason
from tests.support.factor_owner import FactorOwner, factor_owner
from tests.support.use_cases import ALICE, BOB, actions_of, claim, queued_mails, refused, session_of
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP
OFFICE = ClientInfo(ip="192.0.2.7")


async def reset(world: World, owner: FactorOwner, by: str) -> None:
    if by == "operator":
        assert await world.operator_reset_factors(who=owner.user.email) == 2
    else:
        admin = await factor_owner(world, email=BOB, role=Role.ADMIN)
        await world.reset_factors(admin.caller, owner.user.id, client_info=OFFICE)


@pytest.mark.parametrize("by", ["operator", "admin"])
async def test_reset_leaves_the_password_and_no_session(world: World, by: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    pair = await owner.log_in("totp")
    await reset(world, owner, by)
    assert session_of(world, pair).end_reason is EndReason.FACTOR_REMOVED
    assert world.store.rows.sessions[owner.caller.session_id].end_reason is EndReason.FACTOR_REMOVED
    assert await world.list_factors(owner.caller) == ([], None)
    assert session_of(world, await world.log_in(ALICE)).authentication.level is AssuranceLevel.AAL1


async def test_operator_reset_of_a_user_without_factors_changes_nothing(world: World) -> None:
    owner = await factor_owner(world)
    pair = await world.log_in(ALICE)
    assert await world.operator_reset_factors(who=owner.user.email) == 0
    assert session_of(world, pair).end_reason is None
    assert queued_mails(world, MailKind.FACTORS_RESET) == []
    assert EventType.FACTORS_RESET not in actions_of(world, owner.user)


@pytest.mark.parametrize("by", ["operator", "admin"])
async def test_reset_is_mailed_and_recorded(world: World, by: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    await reset(world, owner, by)
    (mail,) = queued_mails(world, MailKind.FACTORS_RESET)
    assert (mail.recipient, mail.client_info.ip) == (ALICE, "")
    event = [one for one in world.store.rows.events.values() if one.action is EventType.FACTORS_RESET][-1]
    assert event.user_id == owner.user.id
    assert (event.actor_id is None) == (by == "operator")
    assert event.client_info == (UNKNOWN_CLIENT if by == "operator" else OFFICE)


@pytest.mark.parametrize("by", ["operator", "admin"])
async def test_owner_undoes_a_reset(world: World, by: str) -> None:
    owner = await factor_owner(world, TOTP, PASSKEY)
    await reset(world, owner, by)
    await owner.undo()
    for method in ("totp", "passkey", "recovery_code"):
        await owner.log_in(method)
    assert EventType.FACTORS_RESTORED in actions_of(world, owner.user)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.MODERATOR])
async def test_only_admins_reset(world: World, role: Role) -> None:
    owner = await factor_owner(world, TOTP)
    other = await factor_owner(world, email=BOB, role=role)
    with refused(ErrorCode.ROLE_REQUIRED):
        await world.reset_factors(other.caller, owner.user.id)
    assert owner.stored.factors == (TOTP,)


async def test_admins_do_not_reset_each_other(world: World) -> None:
    owner = await factor_owner(world, TOTP, role=Role.ADMIN)
    other = await factor_owner(world, email=BOB, role=Role.ADMIN)
    with refused(ErrorCode.FORBIDDEN):
        await world.reset_factors(other.caller, owner.user.id)


async def test_admin_does_not_reset_their_own_factors(world: World) -> None:
    """They may have to keep one, which `remove_factor` checks."""
    admin = await factor_owner(world, TOTP, role=Role.ADMIN)
    with refused(ErrorCode.FORBIDDEN):
        await world.reset_factors(admin.caller, admin.user.id)
    assert admin.stored.factors == (TOTP,)


async def test_unknown_and_deleted_users_are_not_found(world: World) -> None:
    admin = await factor_owner(world, email=BOB, role=Role.ADMIN)
    owner = await factor_owner(world, TOTP)
    await world.delete_me(owner.caller, password=PASSWORD)
    with refused(ErrorCode.NOT_FOUND):
        await world.reset_factors(admin.caller, owner.user.id)
    with refused(ErrorCode.NOT_FOUND):
        await world.operator_reset_factors(who=ALICE)


async def test_factors_die_with_their_user(world: World) -> None:
    """They never speak for a later account of the same address."""
    owner = await factor_owner(world, TOTP, PASSKEY)
    challenge, options = await world.passkey_login_options()
    credential = owner.authenticator.get(options)
    await world.delete_me(owner.caller, password=PASSWORD)
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_passkey(challenge=challenge, credential=credential)
    later = await claim(world, ALICE, PASSWORD)
    assert later.factors == ()
    assert session_of(world, await world.log_in(ALICE)).user_id == later.id


async def test_password_reset_keeps_the_factors(world: World) -> None:
    """Nothing is lowered by mail alone."""
    owner = await factor_owner(world, TOTP)
    await world.request_reset(email=ALICE)
    owner.password = "a new passphrase of the owner"
    await world.reset_password(
        token=await world.mailed_token(ALICE), new_password=owner.password, confirm_password=owner.password
    )
    await owner.password_step()
    await owner.log_in("totp")
