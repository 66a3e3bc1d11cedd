"""A browser session: its cookie gives access like a token, and loses it at the same moment."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import jwt
import pytest

from application.sessions.ports import SessionCookie
from domain.audit import EventType
from domain.authentication import AssuranceLevel
from domain.factor import FactorKind
from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode
from domain.role import Role
from domain.session import SECRET_LENGTH, TOUCH, EndReason, Lifetimes
from domain.tokens import AccessToken
from domain.user import User
from tests.support.factor_owner import factor_owner
from tests.support.use_cases import ALICE, BOB, actions_of, claim, error_code_of, link, refused
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

REVOKED = ErrorCode.TOKEN_REVOKED


async def sign_in(world: World, email: str = ALICE) -> str:
    return (await world.sign_in(login=email, password=PASSWORD)).cookie


async def admin_of(world: World) -> AccessToken:
    await world.user(BOB, role=Role.ADMIN)
    return await world.caller(BOB)


async def test_cookie_says_what_an_access_token_would(world: World) -> None:
    user = await world.user(role=Role.MODERATOR)
    signed = await world.sign_in(login=ALICE, password=PASSWORD)
    caller = await world.authenticate_cookie(signed.cookie, role=Role.MODERATOR)
    assert caller.user_id == user.id
    assert (caller.session_id, caller.generation) == (signed.session_id, 1)
    assert (caller.role, caller.verified) == (Role.MODERATOR, True)
    assert caller.authentication.level is AssuranceLevel.AAL1
    assert signed.max_age == 30 * 24 * 3600
    assert signed.cookie not in repr(signed)
    assert actions_of(world, user)[-1] is EventType.LOGGED_IN
    with refused(ErrorCode.ROLE_REQUIRED):
        await world.authenticate_cookie(signed.cookie, role=Role.ADMIN)


@pytest.mark.parametrize("used_before", [True, False])
async def test_each_change_of_roles_is_seen_by_the_next_request(world: World, used_before: bool) -> None:
    user = await world.user(role=Role.MODERATOR)
    admin, cookie = await admin_of(world), await sign_in(world)
    if used_before:
        await world.authenticate_cookie(cookie, role=Role.MODERATOR)
    for role in (Role.MEMBER, Role.MODERATOR, Role.MEMBER):
        await world.change_user(admin, user.id, role=role)
        assert (await world.authenticate_cookie(cookie)).role is role
    await world.change_user(admin, user.id, role=Role.MODERATOR)
    await world.change_user(admin, user.id, role=Role.MEMBER)
    with refused(ErrorCode.ROLE_REQUIRED):
        await world.authenticate_cookie(cookie, role=Role.MODERATOR)


async def test_other_processes_see_a_change_of_roles_as_well(world: World) -> None:
    """The process that reads the session again moves its generation; another one still has the older value."""
    user, admin = await world.user(role=Role.MODERATOR), await admin_of(world)
    cookie = await sign_in(world)
    there = replace(world.authenticate_cookie, caller_cache=type(world.caller_cache)())
    for process in (world.authenticate_cookie, there):
        await process(cookie, role=Role.MODERATOR)
    await world.change_user(admin, user.id, role=Role.MEMBER)
    for process in (world.authenticate_cookie, there):
        with refused(ErrorCode.ROLE_REQUIRED):
            await process(cookie, role=Role.MODERATOR)


async def log_out(world: World, caller: AccessToken, _: User) -> None:
    await world.logout(caller)


async def disable(world: World, _: AccessToken, user: User) -> None:
    await world.change_user(await admin_of(world), user.id, disabled=True)


async def expire(world: World, _: AccessToken, __: User) -> None:
    world.clock.advance(days=7)


@pytest.mark.parametrize("end", [log_out, disable, expire])
async def test_cookie_of_a_session_that_is_over_is_refused(
    world: World, end: Callable[[World, AccessToken, User], Awaitable[None]]
) -> None:
    user = await world.user()
    cookie = await sign_in(world)
    caller = await world.authenticate_cookie(cookie)
    await end(world, caller, user)
    assert [await error_code_of(world.authenticate_cookie(cookie)) for _ in range(2)] == [REVOKED, REVOKED]
    assert await error_code_of(world.issue_session_token(caller)) is REVOKED


async def test_use_prolongs_the_session_up_to_its_maximum_age(world: World) -> None:
    await world.user()
    cookie = await sign_in(world)
    for _ in range(4):
        world.clock.advance(days=6)
        await world.authenticate_cookie(cookie)
    world.clock.advance(days=6)
    assert await error_code_of(world.authenticate_cookie(cookie)) is REVOKED


async def test_session_is_read_once_in_ten_minutes(world: World) -> None:
    await world.user()
    cookie = await sign_in(world)
    caller = await world.authenticate_cookie(cookie)
    [session] = world.store.rows.sessions.values()
    del world.store.rows.sessions[session.id]
    world.clock.advance(minutes=10, microseconds=-1)
    assert await world.authenticate_cookie(cookie) == caller
    world.clock.advance(microseconds=1)
    assert await error_code_of(world.authenticate_cookie(cookie)) is REVOKED
    world.store.rows.sessions[session.id] = session
    assert (await world.authenticate_cookie(cookie)).issued_at == world.clock()
    assert world.store.rows.sessions[session.id].rotated_at == session.rotated_at + TOUCH


async def test_wrong_secret_is_refused_and_ends_nothing(world: World) -> None:
    """A signed cookie with another secret, as one from another database would be."""
    await world.user()
    signed = await world.sign_in(login=ALICE, password=PASSWORD)
    forged = world.cookie_codec.encode(SessionCookie(session_id=signed.session_id, secret=bytes(SECRET_LENGTH)))
    api = await world.log_in()
    of_api = world.cookie_codec.encode(SessionCookie(session_id=api.session_id, secret=bytes(SECRET_LENGTH)))
    for cookie in (forged, of_api):
        assert [await error_code_of(world.authenticate_cookie(cookie)) for _ in range(2)] == [REVOKED, REVOKED]
    await world.authenticate_cookie(signed.cookie)
    await world.authenticate(api.access_token)
    with refused(ErrorCode.TOKEN_INVALID):
        await world.authenticate_cookie(signed.cookie.swapcase())


async def test_page_knows_at_once_that_the_address_is_verified(world: World) -> None:
    user = await claim(world, ALICE, PASSWORD)
    cookie = await sign_in(world)
    assert not (await world.authenticate_cookie(cookie)).verified
    assert await error_code_of(world.authenticate_cookie(cookie, role=Role.MEMBER)) is ErrorCode.NOT_VERIFIED
    await world.verify(token=link(world, user, LinkPurpose.VERIFY))
    assert (await world.authenticate_cookie(cookie)).verified
    await world.authenticate_cookie(cookie, role=Role.MEMBER)


async def test_required_factor_is_required_of_browsers_too(world: World) -> None:
    world.authenticate = replace(world.authenticate, factor_required_from=Role.MEMBER)
    world.authenticate_cookie = replace(world.authenticate_cookie, authenticate=world.authenticate)
    await world.user()
    cookie = await sign_in(world)
    assert await error_code_of(world.authenticate_cookie(cookie)) is ErrorCode.FACTOR_REQUIRED
    await world.authenticate_cookie(cookie, enrolling=True)
    assert await error_code_of(world.authenticate_cookie(cookie)) is ErrorCode.FACTOR_REQUIRED


async def test_every_session_token_is_unique_and_ends_with_the_session(world: World) -> None:
    await world.user(role=Role.MODERATOR)
    caller = await world.authenticate_cookie(await sign_in(world))
    texts = [(await world.issue_session_token(caller)).access_token for _ in range(3)]
    assert len({jwt.decode(text, options={"verify_signature": False})["jti"] for text in texts}) == 3
    for text in texts:
        assert (await world.authenticate(text, role=Role.MODERATOR)).session_id == caller.session_id
    await world.logout(caller)
    assert {await error_code_of(world.authenticate(text)) for text in texts} == {REVOKED}


async def test_session_token_does_not_outlast_the_session(world: World) -> None:
    lifetimes = Lifetimes(session=timedelta(minutes=15))
    await world.user()
    world.sign_in = replace(world.sign_in, open_session=replace(world.sign_in.open_session, lifetimes=lifetimes))
    issue = replace(world.issue_session_token, resume_session=replace(world.resume_session, lifetimes=lifetimes))
    caller = await world.authenticate_cookie(await sign_in(world))
    assert (await issue(caller)).expires_in == 600
    world.clock.advance(minutes=14, seconds=50)
    issued = await issue(caller)
    assert issued.expires_in == 10
    world.clock.advance(seconds=10)
    assert await error_code_of(world.authenticate(issued.access_token)) is ErrorCode.TOKEN_EXPIRED


async def test_session_token_has_the_authentication_of_the_session(world: World) -> None:
    """A step-up of the page lasts five minutes; a token of ten would outlast it."""
    owner = await factor_owner(world, FactorKind.TOTP)
    session = world.store.rows.sessions[owner.caller.session_id]
    world.store.rows.sessions[session.id] = replace(session, secret_digest=bytes(32))
    raised = replace(owner.caller, authentication=owner.caller.authentication.with_factor("totp", world.clock()))
    token = await world.authenticate((await world.issue_session_token(raised)).access_token)
    assert token.authentication == session.authentication


async def test_sessions_that_end_for_other_reasons_are_over(world: World) -> None:
    user = await world.user()
    cookie = await sign_in(world)
    await world.authenticate_cookie(cookie)
    async with world.begin() as work:
        await work.sessions.end_all(user.id, now=world.clock(), reason=EndReason.PASSWORD_CHANGED)
    assert await error_code_of(world.authenticate_cookie(cookie)) is REVOKED
