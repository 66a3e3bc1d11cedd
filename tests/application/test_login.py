"""Login. A refusal reveals nothing, not even by its cost."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.client_info import ClientInfo
from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode
from domain.role import Role
from domain.user import User
from tests.support.use_cases import ALICE, BOB, InterruptedHasher, claim, error_code_of, link, refused, session_of
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("login", [ALICE, "ALICE@Example.Org", "queen.b", "Queen.B", "QUEEN.B"])
async def test_address_and_username_log_in_in_any_case(world: World, login: str) -> None:
    user = await world.user(ALICE, username="Queen.B")
    pair = await world.login(
        login=login, password=PASSWORD, client_info=ClientInfo(user_agent="curl/8", ip="192.0.2.7")
    )

    session = session_of(world, pair)
    assert (session.user_id, session.generation, session.client_info.user_agent, session.client_info.ip) == (
        user.id,
        1,
        "curl/8",
        "192.0.2.7",
    )
    caller = await world.authenticate(pair.access_token)
    assert (caller.user_id, caller.session_id, caller.role, caller.verified) == (
        user.id,
        session.id,
        Role.MEMBER,
        True,
    )
    assert (pair.expires_in, pair.refresh_expires_in) == (600, 7 * 24 * 3600)


async def test_every_login_opens_a_session(world: World) -> None:
    await world.user(ALICE)
    pairs = [await world.log_in(ALICE) for _ in range(3)]
    assert len({pair.session_id for pair in pairs}) == 3
    assert len({pair.access_token for pair in pairs} | {pair.refresh_token for pair in pairs}) == 6
    assert [(await world.authenticate(pair.access_token)).session_id for pair in pairs] == [
        p.session_id for p in pairs
    ]


async def test_an_unverified_user_logs_in_without_a_role(world: World) -> None:
    await claim(world, ALICE, PASSWORD)
    token = (await world.log_in(ALICE)).access_token
    assert not (await world.authenticate(token)).verified
    with refused(ErrorCode.NOT_VERIFIED):
        await world.authenticate(token, role=Role.MEMBER)


async def test_an_unverified_user_does_not_hide_the_owner_of_the_address(world: World) -> None:
    owner = await world.user(ALICE, username="queen")
    rival = replace(owner, id=(await claim(world, BOB, OTHER_PASSWORD)).id, verified=False)
    async with world.begin() as work:
        await work.users.add(rival)
    for login in (ALICE, "queen"):
        pair = await world.login(login=login, password=PASSWORD)
        assert session_of(world, pair).user_id == owner.id


async def _disable(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.set_disabled(user.id, True, now=world.clock())


@pytest.mark.parametrize(
    ("login", "password", "code"),
    [
        ("verified@example.org", PASSWORD, None),
        ("verified@example.org", OTHER_PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("claim@example.org", PASSWORD, None),
        ("claim@example.org", OTHER_PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("disabled@example.org", PASSWORD, ErrorCode.ACCOUNT_DISABLED),
        ("disabled@example.org", OTHER_PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("nobody@example.org", PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("nobody", PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("not an @ddress", PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("", PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("\0", PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("a" * 10_000, PASSWORD, ErrorCode.INVALID_CREDENTIALS),
        ("verified@example.org", "", ErrorCode.INVALID_CREDENTIALS),
    ],
)
async def test_every_login_costs_exactly_one_hash(
    world: World, login: str, password: str, code: ErrorCode | None
) -> None:
    await world.user("verified@example.org")
    await claim(world, "claim@example.org", PASSWORD)
    await _disable(world, await world.user("disabled@example.org"))
    paid = world.hasher.calls

    assert await error_code_of(world.login(login=login, password=password)) is code
    assert world.hasher.calls == paid + 1
    assert len(world.store.rows.sessions) == (code is None)


@pytest.mark.parametrize("around", ["{} ", " {}", "{}\n", "\t{}\r\n", "\u00a0{}"])
async def test_white_space_is_stripped_from_the_login_but_not_the_password(world: World, around: str) -> None:
    await world.user(ALICE, username="queen")
    for login in (ALICE, "queen"):
        assert await world.login(login=around.format(login), password=PASSWORD)
        wrong = world.login(login=login, password=around.format(PASSWORD))
        assert await error_code_of(wrong) is ErrorCode.INVALID_CREDENTIALS


async def test_unknown_user_and_wrong_password_are_refused_alike(world: World) -> None:
    await world.user(ALICE)
    refusals = []
    for login in (ALICE, BOB, "nobody", "@"):
        with refused(ErrorCode.INVALID_CREDENTIALS) as no:
            await world.login(login=login, password=OTHER_PASSWORD)
        refusals.append((no.value.args, no.value.reason, no.value.retry_after))
    assert len(set(refusals)) == 1


async def test_a_password_is_used_unchanged(world: World) -> None:
    await claim(world, ALICE, f" {PASSWORD}é")
    wrong = (f"{PASSWORD}é", f" {PASSWORD}", f" {PASSWORD}é ", f" {PASSWORD}É", f" {PASSWORD.title()}é")
    assert [await error_code_of(world.log_in(ALICE, text)) for text in wrong] == [ErrorCode.INVALID_CREDENTIALS] * 5
    assert await world.log_in(ALICE, f" {PASSWORD}e\u0301")


async def test_the_policy_for_new_passwords_does_not_apply_to_logins(world: World) -> None:
    await world.create_user(
        email=ALICE, role=Role.MEMBER, verified=True, password_hash=await world.hasher.hash("123")
    )
    assert await world.log_in(ALICE, "123")


async def test_an_old_hash_is_replaced_at_the_first_right_password(world: World) -> None:
    old = (await world.hasher.hash(PASSWORD)).replace("memory$", "old$")
    user = await world.create_user(email=ALICE, role=Role.MEMBER, verified=True, password_hash=old)
    assert user is not None

    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.log_in(ALICE, OTHER_PASSWORD)
    assert world.store.rows.users[user.id].password_hash == old

    first = await world.log_in(ALICE)
    user_now = world.store.rows.users[user.id]
    assert user_now.password_hash.startswith("memory$")
    assert user_now.credential_version == user.credential_version

    paid = world.hasher.calls
    await world.log_in(ALICE)
    assert world.hasher.calls == paid + 1
    assert await world.refresh(refresh_token=first.refresh_token)


async def _reset(world: World, user: User) -> None:
    token = link(world, user, LinkPurpose.RESET)
    await world.reset_password(token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)


async def _change(world: World, user: User) -> None:
    caller = await world.caller(user.email)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)


async def _remove(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())


@pytest.mark.parametrize("meanwhile", [_reset, _change, _disable, _remove])
async def test_a_concurrent_change_during_the_password_check_wins(
    world: World, meanwhile: Callable[[World, User], Awaitable[None]]
) -> None:
    user = await world.user(ALICE)
    interrupted = InterruptedHasher(by=lambda: meanwhile(world, user))
    login = replace(world.login, check=replace(world.check, hasher=interrupted))
    before = set(world.store.rows.sessions)

    with refused(ErrorCode.INVALID_CREDENTIALS):
        await login(login=ALICE, password=PASSWORD)
    alive = [session for session in world.store.rows.sessions.values() if session.ended_at is None]
    assert [session.id for session in alive if session.id in before] == []
    assert len(alive) == (meanwhile is _change)


async def test_rehash_of_the_old_password_does_not_replace_a_new_one(world: World) -> None:
    old = (await world.hasher.hash(PASSWORD)).replace("memory$", "old$")
    user = await world.create_user(email=ALICE, role=Role.MEMBER, verified=True, password_hash=old)
    assert user is not None
    login = replace(world.login, hasher=InterruptedHasher(by=lambda: _reset(world, user)))

    with refused(ErrorCode.INVALID_CREDENTIALS):
        await login(login=ALICE, password=PASSWORD)
    assert (await world.hasher.verify(OTHER_PASSWORD, world.store.rows.users[user.id].password_hash)).matches


async def test_a_role_granted_during_the_password_check_is_in_the_token(world: World) -> None:
    await world.user(ALICE)
    grant = InterruptedHasher(by=lambda: world.grant_role(email=ALICE, role=Role.ADMIN))
    login = replace(world.login, check=replace(world.check, hasher=grant))
    pair = await login(login=ALICE, password=PASSWORD)
    assert (await world.authenticate(pair.access_token)).role is Role.ADMIN


async def test_passwords_do_not_expire(world: World) -> None:
    await world.user(ALICE)
    world.clock.advance(days=400)
    pair = await world.log_in(ALICE)
    assert session_of(world, pair).expires_at == world.clock() + timedelta(days=7)


# -- several unverified users of one address ---------------------------------------------------------------


async def test_rivals_for_an_address_each_log_in_for_one_hash(world: World) -> None:
    """Another registration of the address does not prevent the login of the first user, nor vice versa."""
    passwords = [f"{PASSWORD} number {n}" for n in range(5)]
    rivals = [await claim(world, ALICE, password) for password in passwords]
    for rival, password in zip(rivals, passwords, strict=True):
        paid = world.hasher.calls
        caller = await world.authenticate((await world.log_in(ALICE, password)).access_token)
        assert caller.user_id == rival.id
        assert world.hasher.calls == paid + 1
    for login in (ALICE, BOB):
        paid = world.hasher.calls
        assert await error_code_of(world.log_in(login, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
        assert world.hasher.calls == paid + 1


async def test_unverified_users_who_share_a_username_log_in_by_it(world: World) -> None:
    first = await claim(world, ALICE, PASSWORD, username="queen")
    second = await claim(world, BOB, OTHER_PASSWORD, username="Queen")
    for user, password in ((first, PASSWORD), (second, OTHER_PASSWORD)):
        assert (await world.authenticate((await world.log_in("queen", password)).access_token)).user_id == user.id


async def test_an_unverified_user_among_several_logs_in_after_a_password_change(world: World) -> None:
    await claim(world, ALICE, PASSWORD)
    second = await claim(world, ALICE, OTHER_PASSWORD)
    caller = await world.authenticate((await world.log_in(ALICE, OTHER_PASSWORD)).access_token)
    await world.change_password(caller, current_password=OTHER_PASSWORD, new_password="a new fine passphrase")
    entered = await world.log_in(ALICE, "a new fine passphrase")
    assert (await world.authenticate(entered.access_token)).user_id == second.id


async def test_users_who_register_one_address_concurrently_all_log_in(world: World) -> None:
    passwords = [f"{PASSWORD} number {n}" for n in range(2)]

    async def register_first() -> None:
        await world.register(email=ALICE, password=passwords[0])

    late = replace(world.register, hasher=InterruptedHasher(by=register_first))
    await late(email=ALICE, password=passwords[1])
    for password in passwords:
        assert await error_code_of(world.log_in(ALICE, password)) is None


async def test_passwords_of_unverified_users_are_void_after_verification(world: World) -> None:
    await claim(world, ALICE, OTHER_PASSWORD)
    await world.user(ALICE)
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(world.log_in(ALICE)) is None
