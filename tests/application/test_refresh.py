"""Refresh token rotation converges for the owner and detects theft."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.client_info import ClientInfo
from domain.outbox import MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from domain.session import EndReason, RotationState
from domain.tokens import RefreshToken, TokenPair
from domain.user import User
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    claim,
    error_code_of,
    purge,
    queued_mails,
    refused,
    run_concurrently,
    session_of,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


async def renew(world: World, pair: TokenPair) -> TokenPair:
    return await world.refresh(refresh_token=pair.refresh_token)


async def rotated(world: World, times: int) -> list[TokenPair]:
    """Alice's pairs from login on, a minute apart."""
    pairs = [await world.log_in(ALICE)]
    for _ in range(times):
        world.clock.advance(minutes=1)
        pairs.append(await renew(world, pairs[-1]))
    return pairs


async def test_a_refresh_returns_the_next_generation_of_the_session(world: World) -> None:
    await world.user(ALICE)
    first, second = await rotated(world, 1)

    assert first.session_id == second.session_id
    assert {first.access_token, first.refresh_token}.isdisjoint({second.access_token, second.refresh_token})
    assert (second.expires_in, second.refresh_expires_in) == (600, 7 * 24 * 3600)
    assert (await world.authenticate(second.access_token)).generation == 2
    assert session_of(world, second).rotated_at == world.clock()


async def test_the_previous_access_token_stays_valid_until_it_expires(world: World) -> None:
    await world.user(ALICE)
    first, _ = await rotated(world, 1)
    assert (await world.authenticate(first.access_token)).generation == 1


@pytest.mark.parametrize("seconds", [0, 0.5, 9.999, 10])
async def test_repeating_a_refresh_within_ten_seconds_returns_the_same_pair(world: World, seconds: float) -> None:
    await world.user(ALICE)
    first, second = await rotated(world, 1)
    world.clock.advance(seconds=seconds)

    again = await renew(world, first)

    assert (again.access_token, again.refresh_token) == (second.access_token, second.refresh_token)
    assert session_of(world, again).generation == 2
    assert again.expires_in == pytest.approx(600 - seconds, abs=1)
    assert not queued_mails(world, MailKind.SESSION_STOLEN)


async def test_repeating_a_refresh_does_not_extend_the_grace_period(world: World) -> None:
    await world.user(ALICE)
    first, _ = await rotated(world, 1)
    for _ in range(2):
        world.clock.advance(seconds=5)
        await renew(world, first)
    world.clock.advance(seconds=1)
    with refused(ErrorCode.REFRESH_REUSED):
        await renew(world, first)


@pytest.mark.parametrize(("age", "seconds"), [(1, 10.001), (1, 3600), (2, 0), (2, 1), (3, 0)])
async def test_reuse_of_an_older_token_ends_the_session_and_notifies_the_owner(
    world: World, age: int, seconds: float
) -> None:
    user = await world.user(ALICE)
    pairs = await rotated(world, 3)
    world.clock.advance(seconds=seconds)

    with refused(ErrorCode.REFRESH_REUSED):
        await renew(world, pairs[-1 - age])

    session = session_of(world, pairs[0])
    assert (session.end_reason, session.ended_at, session.generation) == (
        EndReason.REFRESH_REUSED,
        world.clock(),
        4,
    )
    (mail,) = queued_mails(world, MailKind.SESSION_STOLEN)
    assert (mail.recipient, mail.user_id) == (ALICE, user.id)
    assert mail.id in world.nudged
    for pair in pairs:
        with refused(ErrorCode.SESSION_ENDED):
            await renew(world, pair)
    assert len(queued_mails(world, MailKind.SESSION_STOLEN)) == 1


async def test_reuse_of_an_unverified_users_token_sends_no_mail(world: World) -> None:
    """An attacker with an unverified account can cause any number of reuses."""
    await claim(world, ALICE, PASSWORD)
    pairs = await rotated(world, 2)
    with refused(ErrorCode.REFRESH_REUSED):
        await renew(world, pairs[0])
    assert session_of(world, pairs[0]).end_reason is EndReason.REFRESH_REUSED
    assert not queued_mails(world, MailKind.SESSION_STOLEN)


async def test_after_token_reuse_no_access_token_of_the_session_is_valid(world: World) -> None:
    await world.user(ALICE)
    bystander = await world.log_in(ALICE)
    pairs = await rotated(world, 2)
    with refused(ErrorCode.REFRESH_REUSED):
        await renew(world, pairs[0])
    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED] * 3
    assert await token_errors(world, bystander) == (None, None)


async def test_twenty_concurrent_refreshes_get_the_same_successor(world: World) -> None:
    await world.user(ALICE)
    first = await world.log_in(ALICE)

    outcomes = await run_concurrently([lambda: renew(world, first)] * 20)

    assert len(outcomes) == 20
    (same,) = set(outcomes)
    assert isinstance(same, TokenPair)
    assert session_of(world, first).generation == 2
    assert await renew(world, same)


async def test_twenty_concurrent_reuses_cause_one_mail(world: World) -> None:
    await world.user(ALICE)
    first = (await rotated(world, 2))[0]
    outcomes = await run_concurrently([lambda: error_code_of(renew(world, first))] * 20)
    assert sorted(map(str, outcomes)) == ["refresh_reused"] + ["session_ended"] * 19
    assert len(queued_mails(world, MailKind.SESSION_STOLEN)) == 1


async def test_a_concurrent_refresh_and_logout_leave_the_session_ended(world: World) -> None:
    await world.user(ALICE)
    first = await world.log_in(ALICE)
    caller = await world.authenticate(first.access_token)
    outcomes = await run_concurrently(
        [lambda: renew(world, first), lambda: world.logout(caller), lambda: renew(world, first)]
    )
    pairs = [first, *(pair for pair in outcomes if isinstance(pair, TokenPair))]
    assert {await token_errors(world, pair) for pair in pairs} == {REVOKED}


async def _logout(world: World, user: User) -> None:
    await world.logout(await world.authenticate((await renew(world, await world.log_in(user.email))).access_token))


async def _logout_all(world: World, user: User) -> None:
    await world.logout_everywhere(await world.caller(user.email))


async def _disable(world: World, user: User) -> None:
    await world.change_user(await world.caller(BOB), user.id, disabled=True)


async def _disable_and_enable(world: World, user: User) -> None:
    await _disable(world, user)
    await world.change_user(await world.caller(BOB), user.id, disabled=False)


async def _delete(world: World, user: User) -> None:
    await world.delete_user(await world.caller(BOB), user.id)


async def _delete_and_register(world: World, user: User) -> None:
    await _delete(world, user)
    await world.user(user.email)


async def _end(world: World, user: User) -> None:
    await world.admin_revoke_sessions(await world.caller(BOB), user.id)


async def _change(world: World, user: User) -> None:
    caller = await world.caller(user.email)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (_logout_all, EndReason.LOGOUT_ALL),
        (_end, EndReason.LOGOUT_ALL),
        (_disable, EndReason.DISABLED),
        (_disable_and_enable, EndReason.DISABLED),
        (_delete, EndReason.DELETED),
        (_delete_and_register, EndReason.DELETED),
        (_change, EndReason.PASSWORD_CHANGED),
    ],
)
async def test_an_ended_session_stays_ended(
    world: World, happens: Callable[[World, User], Awaitable[None]], reason: EndReason
) -> None:
    await world.user(BOB, role=Role.ADMIN)
    user = await world.user(ALICE)
    pairs = await rotated(world, 1)

    await happens(world, user)

    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED, REVOKED]
    assert session_of(world, pairs[0]).end_reason is reason
    assert not queued_mails(world, MailKind.SESSION_STOLEN)


async def test_a_logout_ends_one_session_and_no_others(world: World) -> None:
    user = await world.user(ALICE)
    other = await world.log_in(ALICE)
    await _logout(world, user)
    assert await token_errors(world, other) == (None, None)


async def test_an_ended_session_is_made_anonymous_when_its_user_is_removed(world: World) -> None:
    boss, user = await world.user(BOB, role=Role.ADMIN), await world.user(ALICE)
    pair = await world.login(
        login=ALICE, password=PASSWORD, client_info=ClientInfo(user_agent="curl/8", ip="192.0.2.7")
    )
    await _delete(world, user)
    await purge(world)
    session = session_of(world, pair)
    assert (session.user_id, session.client_info.user_agent, session.client_info.ip) == (None, "", "")
    assert boss.id in world.store.rows.users


@pytest.mark.parametrize(
    ("seconds", "code"), [(-1, None), (0, ErrorCode.TOKEN_EXPIRED), (1, ErrorCode.TOKEN_EXPIRED)]
)
async def test_a_session_that_is_idle_for_seven_days_expires(
    world: World, seconds: int, code: ErrorCode | None
) -> None:
    await world.user(ALICE)
    first, second = await rotated(world, 1)
    world.clock.advance(days=7, seconds=seconds)
    assert await error_code_of(renew(world, second)) is code
    assert session_of(world, first).end_reason is None


async def test_an_active_session_expires_after_thirty_days(world: World) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    opened = world.clock()
    while world.clock() < opened + timedelta(days=29):
        world.clock.advance(hours=23)
        pair = await renew(world, pair)
    left = opened + timedelta(days=30) - world.clock()
    assert pair.refresh_expires_in == left.total_seconds()
    world.clock.advance(seconds=pair.refresh_expires_in)
    with refused(ErrorCode.TOKEN_EXPIRED):
        await renew(world, pair)


async def test_an_expired_session_does_not_count_as_stolen(world: World) -> None:
    await world.user(ALICE)
    first, _ = await rotated(world, 1)
    world.clock.advance(days=8)
    with refused(ErrorCode.TOKEN_EXPIRED):
        await renew(world, first)
    assert not queued_mails(world, MailKind.SESSION_STOLEN)


@pytest.mark.parametrize(("before", "after"), [(Role.MEMBER, Role.ADMIN), (Role.ADMIN, Role.MEMBER)])
async def test_a_refresh_returns_the_current_role(world: World, before: Role, after: Role) -> None:
    await world.user(BOB, role=Role.ADMIN)
    user = await world.user(ALICE, role=before)
    pair = await world.log_in(ALICE)

    await world.grant_role(email=user.email, role=after)

    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(pair.access_token)
    assert (await world.authenticate((await renew(world, pair)).access_token)).role is after


async def test_repeating_a_refresh_after_a_role_change_returns_the_new_role(world: World) -> None:
    await world.user(BOB, role=Role.ADMIN)
    user = await world.user(ALICE, role=Role.ADMIN)
    first, _ = await rotated(world, 1)
    await world.grant_role(email=user.email, role=Role.MEMBER)

    again = await renew(world, first)

    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(again.access_token)
    assert (await world.authenticate((await renew(world, again)).access_token)).role is Role.MEMBER


async def test_a_refresh_returns_a_verified_token_after_verification(world: World) -> None:
    made = await claim(world, ALICE, PASSWORD)
    pair = await world.log_in(ALICE)
    async with world.begin() as work:
        await work.users.verify_email(made.id, credential_version=1, now=world.clock())
    assert (await world.authenticate((await renew(world, pair)).access_token)).verified


@pytest.mark.parametrize("text", ["", "x", "é", "a.b.c", "A" * 75, "A" * 100_000])
async def test_a_forged_token_is_refused_without_io(world: World, text: str) -> None:
    async with world.begin():  # the store is busy, so a query would wait forever
        with refused(ErrorCode.TOKEN_INVALID):
            await world.refresh(refresh_token=text)


async def test_an_access_token_cannot_refresh(world: World) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    with refused(ErrorCode.TOKEN_INVALID):
        await world.refresh(refresh_token=pair.access_token)
    with refused(ErrorCode.TOKEN_INVALID):
        await world.authenticate(pair.refresh_token)


async def test_a_generation_that_was_never_issued_does_not_end_the_session(world: World) -> None:
    """This happens only after the store was restored to an older state."""
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    ahead = world.refresh_codec.encode(RefreshToken(session_id=pair.session_id, generation=2))
    with refused(ErrorCode.SESSION_ENDED):
        await world.refresh(refresh_token=ahead)
    assert await token_errors(world, pair) == (None, None)


# -- any order of things ----------------------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.just("refresh"), st.just(0)),
    st.tuples(st.just("replay"), st.integers(0, 6)),
    st.tuples(st.just("wait"), st.sampled_from([1, 9, 10, 11, 3600, 86_400, 7 * 86_400])),
    st.tuples(st.just("role"), st.sampled_from([0, 1])),
    st.tuples(st.just("logout"), st.just(0)),
)


class Story:
    """A state machine of one session."""

    def __init__(self, world: World, opened: TokenPair) -> None:
        self.world = world
        self.pairs = [opened]
        self.newest = opened
        self.over = False

    async def autocommit(self, kind: str, by: int) -> None:
        if kind == "wait":
            self.world.clock.advance(seconds=by)
        elif kind == "role":
            await self.world.grant_role(email=ALICE, role=[Role.MEMBER, Role.MODERATOR][by])
        elif kind == "logout":
            async with self.world.begin() as work:
                await work.sessions.end(self.newest.session_id, now=self.world.clock(), reason=EndReason.LOGOUT)
            self.over = True
        else:
            await self.present(self.newest if kind == "refresh" else self.pairs[by % len(self.pairs)])
        await self.check()

    async def present(self, pair: TokenPair) -> None:
        outcome = (await run_concurrently([lambda: renew(self.world, pair)]))[0]
        if not isinstance(outcome, TokenPair):
            # A token that was refused stays refused.
            self.over = True
            assert outcome.code in (ErrorCode.REFRESH_REUSED, ErrorCode.SESSION_ENDED, ErrorCode.TOKEN_EXPIRED)
            return
        assert not self.over
        if pair is self.newest:
            assert outcome.refresh_token not in {known.refresh_token for known in self.pairs}
            self.newest = outcome
            self.pairs.append(outcome)
        else:
            assert outcome.refresh_token == self.newest.refresh_token

    async def check(self) -> None:
        session = session_of(self.world, self.newest)
        held = {self.world.refresh_codec.decode(pair.refresh_token).generation for pair in self.pairs}
        assert max(held) == session.generation
        states = [
            session.rotation_state(generation, now=self.world.clock(), grace=self.world.lifetimes.grace)
            for generation in held
        ]
        assert states.count(RotationState.CURRENT) <= (not self.over)
        assert states.count(RotationState.JUST_ROTATED) <= (not self.over)
        if session.ended_at is not None:
            for pair in self.pairs:
                access, refresh = await token_errors(self.world, pair)
                assert access in (ErrorCode.TOKEN_REVOKED, ErrorCode.TOKEN_EXPIRED)
                assert refresh is ErrorCode.SESSION_ENDED
        assert len(queued_mails(self.world, MailKind.SESSION_STOLEN)) == (
            session.end_reason is EndReason.REFRESH_REUSED
        )


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(STEPS, max_size=20))
async def test_a_session_has_one_current_generation_and_never_revives(steps: list[tuple[str, int]]) -> None:
    world = World(limited=False)  # every step refreshes every pair
    await world.user(ALICE)
    story = Story(world, await world.log_in(ALICE))
    for kind, by in steps:
        await story.autocommit(kind, by)


async def test_an_access_token_does_not_outlive_its_session(world: World) -> None:
    await world.user()
    pair = await world.log_in()
    for _ in range(30):
        world.clock.advance(hours=23, minutes=59, seconds=50)
        pair = await world.refresh(refresh_token=pair.refresh_token)
    assert pair.expires_in == pair.refresh_expires_in == 300
    assert world.access_codec.decode(pair.access_token).expires_at == world.clock.now + timedelta(seconds=300)
