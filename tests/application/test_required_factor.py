"""`factor_required_from`: who must have a factor can log in and enrol, and do nothing else until then."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.authentication import AssuranceLevel
from domain.factor import FactorKind
from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode
from domain.role import Role
from tests.support.factor_owner import FactorOwner, factor_owner
from tests.support.use_cases import ALICE, BOB, claim, error_code_of, link, refused
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP


@pytest.fixture
def world() -> World:
    """A world in which moderators and admins must have a factor."""
    made = World()
    made.authenticate = replace(made.authenticate, factor_required_from=Role.MODERATOR)
    made.remove_factor = replace(made.remove_factor, factor_required_from=Role.MODERATOR)
    made.introspect = replace(made.introspect, authenticate=made.authenticate)
    return made


async def owner_of(world: World, role: Role) -> FactorOwner:
    user = await world.user(ALICE, role=role)
    caller = world.access_codec.decode((await world.log_in(ALICE)).access_token)
    return FactorOwner(world=world, user=user, caller=caller)


@pytest.mark.parametrize(
    ("role", "code"),
    [(Role.MEMBER, None), (Role.MODERATOR, ErrorCode.FACTOR_REQUIRED), (Role.ADMIN, ErrorCode.FACTOR_REQUIRED)],
)
async def test_role_without_a_factor_can_only_enrol(world: World, role: Role, code: ErrorCode | None) -> None:
    owner = await owner_of(world, role)
    token = (await world.log_in(ALICE)).access_token
    assert await error_code_of(world.authenticate(token)) is code
    assert await error_code_of(world.authenticate(token, enrolling=True)) is None
    await owner.enrol(PASSKEY)
    assert await error_code_of(world.authenticate(token, role=role)) is None


async def test_session_does_not_count_for_a_factor_that_was_removed(world: World) -> None:
    """A member removes the factor of the login, and becomes an admin later."""
    owner = await owner_of(world, Role.MEMBER)
    enrolled = await owner.enrol(TOTP)
    pair = await owner.log_in("recovery_code")
    owner.caller = world.access_codec.decode(pair.access_token)
    await world.remove_factor(owner.caller, enrolled.factor.id)
    await world.grant_role(email=ALICE, role=Role.ADMIN)
    renewed = await world.refresh(refresh_token=pair.refresh_token)
    assert world.access_codec.decode(renewed.access_token).authentication.level is AssuranceLevel.AAL2
    assert await error_code_of(world.authenticate(renewed.access_token)) is ErrorCode.FACTOR_REQUIRED


async def test_introspection_of_a_user_without_the_factor_is_inactive(world: World) -> None:
    owner = await owner_of(world, Role.ADMIN)
    pair = await world.log_in(ALICE)
    assert await world.introspect(pair.access_token) is None
    await owner.enrol(TOTP)
    assert await world.introspect(pair.access_token) is not None


async def test_unverified_users_need_no_factor(world: World) -> None:
    """They hold no role and cannot enrol. Once they are verified, their earlier token needs one, too."""
    world.authenticate = replace(world.authenticate, factor_required_from=Role.MEMBER)
    user = await claim(world, ALICE, PASSWORD)
    token = (await world.log_in(ALICE)).access_token
    await world.authenticate(token)
    await world.verify(token=link(world, user, LinkPurpose.VERIFY))
    with refused(ErrorCode.FACTOR_REQUIRED):
        await world.authenticate(token)


async def test_last_factor_is_not_removed(world: World) -> None:
    """Otherwise the session, which was opened with a factor, would go on without one."""
    owner = await owner_of(world, Role.MODERATOR)
    first = await owner.enrol(PASSKEY)
    await owner.step_up("passkey")
    with refused(ErrorCode.FACTOR_REQUIRED):
        await world.remove_factor(owner.caller, first.factor.id)
    await owner.enrol(PASSKEY)
    await world.remove_factor(owner.caller, first.factor.id)
    member = await factor_owner(world, PASSKEY, email=BOB)
    await world.remove_factor(member.caller, (await member.factors())[0].id)


async def test_deleted_user_is_revoked(world: World) -> None:
    owner = await owner_of(world, Role.ADMIN)
    token = (await world.log_in(ALICE)).access_token
    del world.store.rows.users[owner.user.id]
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(token)


@pytest.mark.parametrize(
    ("level", "max_age", "code"),
    [
        (None, None, None),
        (AssuranceLevel.AAL1, None, None),
        (AssuranceLevel.AAL2, 600, None),
        (AssuranceLevel.PHISHING_RESISTANT, None, ErrorCode.STEP_UP_REQUIRED),
        (None, 599, ErrorCode.STEP_UP_REQUIRED),
        (AssuranceLevel.AAL2, 599, ErrorCode.STEP_UP_REQUIRED),
    ],
)
async def test_other_services_require_a_level_and_an_age(
    world: World, level: AssuranceLevel | None, max_age: int | None, code: ErrorCode | None
) -> None:
    owner = await factor_owner(world, TOTP)
    pair = await owner.log_in("totp")
    world.clock.advance(minutes=10, seconds=-1)
    introspected = await world.introspect(pair.access_token)
    assert introspected is not None
    token, _ = introspected
    world.clock.advance(seconds=1)
    age = None if max_age is None else timedelta(seconds=max_age)

    async def require() -> None:
        token.require_authentication(level=level, max_age=age, now=world.clock())

    assert await error_code_of(require()) is code
