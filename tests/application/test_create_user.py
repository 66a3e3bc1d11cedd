"""Creating users and granting roles by the operator."""

import pytest

from domain.outbox import MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from tests.support.use_cases import ALICE, BOB, claim, error_code_of, queued_mails, refused, token_errors
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("role", Role)
async def test_a_verified_user_has_the_role_at_once(world: World, role: Role) -> None:
    made = await world.create_user(
        email="Alice@Example.org", role=role, verified=True, password=PASSWORD, username="Queen"
    )
    assert made is not None
    assert (made.email, made.username, made.role, made.verified) == (ALICE, "Queen", role, True)
    assert world.store.rows.users == {made.id: made}
    assert not world.store.rows.mails
    assert await world.authenticate((await world.log_in(ALICE)).access_token, role=role)


async def test_an_unverified_user_gets_a_link_and_keeps_the_role_for_later(world: World) -> None:
    made = await world.create_user(email=ALICE, role=Role.ADMIN, verified=False, password=PASSWORD)
    assert made is not None
    (mail,) = queued_mails(world, MailKind.VERIFY)
    assert (mail.recipient, mail.user_id) == (ALICE, made.id)
    token = (await world.log_in(ALICE)).access_token
    with refused(ErrorCode.NOT_VERIFIED):
        await world.authenticate(token, role=Role.MEMBER)

    await world.verify(token=await world.mailed_token(ALICE))

    assert (await world.authenticate(token, role=Role.ADMIN)).role is Role.ADMIN


async def test_creating_a_verified_user_removes_unverified_users_of_the_address(world: World) -> None:
    await claim(world, ALICE, OTHER_PASSWORD)
    pair = await world.log_in(ALICE, OTHER_PASSWORD)

    made = await world.create_user(email=ALICE, role=Role.MEMBER, verified=True, password=PASSWORD)

    assert made is not None
    assert list(world.store.rows.users) == [made.id]
    assert await token_errors(world, pair) == (ErrorCode.TOKEN_REVOKED, ErrorCode.SESSION_ENDED)


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize(("email", "username"), [(ALICE, None), (BOB, "QUEEN")])
async def test_a_verified_address_or_username_is_refused(
    world: World, verified: bool, email: str, username: str | None
) -> None:
    await world.user(ALICE, username="queen")
    before = world.store.rows.copy()
    made = await world.create_user(
        email=email, role=Role.ADMIN, verified=verified, password=OTHER_PASSWORD, username=username
    )
    assert made is None
    assert world.store.rows == before


async def test_a_foreign_hash_is_stored_unchanged(world: World) -> None:
    foreign = await world.hasher.hash("123")
    paid = world.hasher.calls
    made = await world.create_user(email=ALICE, role=Role.MEMBER, verified=True, password_hash=foreign)
    assert made is not None
    assert made.password_hash == foreign
    assert world.hasher.calls == paid
    assert await world.log_in(ALICE, "123")


@pytest.mark.parametrize(
    ("email", "password", "username", "code"),
    [
        ("alice", PASSWORD, None, ErrorCode.EMAIL_INVALID),
        (ALICE, PASSWORD, "-", ErrorCode.USERNAME_INVALID),
        (ALICE, "short", None, ErrorCode.PASSWORD_WEAK),
        (ALICE, None, None, ErrorCode.PASSWORD_WEAK),
    ],
)
async def test_the_same_rules_apply_to_the_operator(
    world: World, email: str, password: str | None, username: str | None, code: ErrorCode
) -> None:
    factories = world.create_user(email=email, role=Role.ADMIN, verified=True, password=password, username=username)
    assert await error_code_of(factories) is code
    assert not world.store.rows.users


async def test_a_role_granted_by_the_operator_takes_effect_at_once(world: World) -> None:
    user = await world.user(ALICE)
    token = (await world.log_in(ALICE)).access_token
    assert (await world.grant_role(email="Alice@Example.org", role=Role.ADMIN)).role is Role.ADMIN
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(token)
    assert world.store.rows.users[user.id].is_active_admin


async def test_the_operator_granting_the_current_role_changes_nothing(world: World) -> None:
    user = await world.user(ALICE, role=Role.ADMIN)
    pair = await world.log_in(ALICE)
    assert await world.grant_role(email=ALICE, role=Role.ADMIN) == user
    assert await token_errors(world, pair) == (None, None)


async def test_the_operator_cannot_demote_the_last_admin_either(world: World) -> None:
    await world.user(ALICE, role=Role.ADMIN)
    with refused(ErrorCode.LAST_ADMIN):
        await world.grant_role(email=ALICE, role=Role.MODERATOR)
    await world.user(BOB, role=Role.ADMIN)
    assert (await world.grant_role(email=ALICE, role=Role.MODERATOR)).role is Role.MODERATOR


async def test_a_role_for_an_unknown_user_is_refused(world: World) -> None:
    with refused(ErrorCode.NOT_FOUND):
        await world.grant_role(email=ALICE, role=Role.ADMIN)


async def test_a_role_is_not_granted_to_a_self_registered_unverified_user(world: World) -> None:
    await claim(world, ALICE, OTHER_PASSWORD)
    with refused(ErrorCode.NOT_VERIFIED):
        await world.grant_role(email=ALICE, role=Role.ADMIN)
