"""Races of factors, on every store: each step, code, challenge and passkey slot is used once, without deadlocks."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from adapters.postgres.database import Database
from application.factors.check_factor import PresentedFactor
from application.factors.enrolment import EnrolledFactor
from application.repositories import UnitOfWork
from domain.authentication import Authentication
from domain.challenge import ChallengePurpose
from domain.client_info import UNKNOWN_CLIENT
from domain.factor import MOST_PASSKEYS, Factor, FactorKind
from domain.refusals import ErrorCode, Refusal
from domain.session import EndReason, Session
from domain.tokens import AccessToken
from domain.user import User
from tests.support.store_harness import (
    LATER,
    Rollback,
    StoreHarness,
    login_event,
    new_session,
    run_concurrently,
)
from tests.support.stored_factors import add, current, digest, factors_of, passkey, replace_codes, totp
from tests.support.world import World

pytestmark = pytest.mark.anyio

MANY = 20
ROUNDS = 10


async def together(harness: StoreHarness, *changes: Callable[[UnitOfWork], Awaitable[object]]) -> list[object]:
    """The result of each change, each in its own unit of work, at once."""

    async def run(change: Callable[[UnitOfWork], Awaitable[object]]) -> object:
        async with harness.begin() as work:
            return await change(work)

    return await run_concurrently(partial(run, change) for change in changes)


async def open_session(session: Session, factor_version: int, work: UnitOfWork) -> User | None:
    return await work.sessions.open(
        session, credential_version=1, factor_version=factor_version, event=login_event(session)
    )


# -- once is once -----------------------------------------------------------------------------------------


async def accepted(harness: StoreHarness, use: Callable[[UnitOfWork], Awaitable[bool]]) -> Counter[object]:
    """How many of many concurrent units of work could use it."""
    return Counter(await together(harness, *[use] * MANY))


async def test_one_totp_step_is_accepted_by_one_of_many(harness: StoreHarness) -> None:
    user = await harness.user()
    phone = totp(user)
    await add(harness, phone)
    for step in range(1, ROUNDS):
        use = partial(_use_totp, phone.id, step)
        assert await accepted(harness, use) == {True: 1, False: MANY - 1}


async def _use_totp(factor_id: UUID, step: int, work: UnitOfWork) -> bool:
    return await work.factors.use_totp(factor_id, step=step, now=LATER)


async def _use_passkey(factor_id: UUID, work: UnitOfWork) -> bool:
    return await work.factors.use_passkey(factor_id, sign_count=1, backed_up=False, now=LATER)


async def test_one_recovery_code_is_accepted_by_one_of_many(harness: StoreHarness) -> None:
    user = await harness.user()
    await replace_codes(harness, user, *map(str, range(ROUNDS)))
    for number in range(ROUNDS):
        use = partial(_use_recovery_code, user.id, digest(str(number)))
        assert await accepted(harness, use) == {True: 1, False: MANY - 1}


async def _use_recovery_code(user_id: UUID, code: bytes, work: UnitOfWork) -> bool:
    return await work.factors.use_recovery_code(user_id, code, now=LATER)


async def test_one_challenge_is_spent_by_one_of_many(harness: StoreHarness) -> None:
    for number in range(ROUNDS):
        use = partial(_spend, bytes([number]))
        assert await accepted(harness, use) == {True: 1, False: MANY - 1}


async def _spend(digest: bytes, work: UnitOfWork) -> bool:
    return await work.factors.use_challenge(digest, expires_at=LATER)


async def test_challenge_of_a_transaction_that_fails_is_spent_by_the_next(harness: StoreHarness) -> None:
    async def fail() -> str:
        with suppress(Rollback):
            async with harness.begin() as work:
                if await work.factors.use_challenge(b"digest", expires_at=LATER):
                    raise Rollback
            return "refused"
        return "rolled back"

    # Each waits for those before it, which all roll back.
    assert Counter(await run_concurrently([fail] * MANY)) == {"rolled back": MANY}
    async with harness.begin() as work:
        assert await work.factors.use_challenge(b"digest", expires_at=LATER)


async def test_one_credential_id_is_stored_for_one_of_many_users(harness: StoreHarness) -> None:
    users = [await harness.user(f"user{number}@example.org") for number in range(MANY)]

    async def enrol(user: User, work: UnitOfWork) -> bool:
        await work.users.lock(user.id)
        return await work.factors.add(passkey(user, credential_id=b"the same"))

    added = await together(harness, *[partial(enrol, user) for user in users])
    assert Counter(added) == {True: 1, False: MANY - 1}
    [owner] = [user for user in users if await factors_of(harness, user)]
    assert {(await current(harness, user)).factor_version for user in users if user != owner} == {0}
    async with harness.begin() as work:
        found = await work.factors.by_credential_id(b"the same")
    assert found is not None
    assert found[1].id == owner.id


async def test_login_of_an_earlier_factor_version_opens_no_session(harness: StoreHarness) -> None:
    """A login that read the user before an enrolment has checked no factor."""
    for number in range(ROUNDS):
        user = await harness.user(f"user{number}@example.org")
        phone = totp(user)
        sessions = [new_session(user) for _ in range(4)]

        async def enrol(work: UnitOfWork, user: User = user, phone: Factor = phone) -> object:
            await work.users.lock(user.id)
            await work.factors.add(phone)
            return await work.sessions.end_all(user.id, now=LATER, reason=EndReason.FACTOR_REMOVED)

        logins = [partial(open_session, session, 0) for session in sessions]
        outcomes = await together(harness, *logins[:2], enrol, *logins[2:])
        ended = outcomes.pop(2)
        opened = [session for session, outcome in zip(sessions, outcomes, strict=True) if outcome is not None]
        # Each login either came first, and was ended, or opened nothing.
        assert ended == len(opened)
        async with harness.begin() as work:
            assert await work.sessions.alive(user.id, now=LATER) == []
            changed = await work.users.by_id(user.id)
            assert changed is not None
            late = new_session(user)
            assert await open_session(late, 0, work) is None
            assert await open_session(late, 1, work) == changed


async def test_factor_is_not_used_after_it_was_removed(harness: StoreHarness) -> None:
    for number in range(ROUNDS):
        user = await harness.user(f"user{number}@example.org")
        key, phone = passkey(user), totp(user, version=2)
        await add(harness, key, phone)
        await replace_codes(harness, user, "code")

        async def remove(work: UnitOfWork, user: User = user, ids: tuple[UUID, ...] = (key.id, phone.id)) -> object:
            await work.users.lock(user.id)
            return await work.factors.remove(user.id, ids, now=LATER)

        uses: list[Callable[[UnitOfWork], Awaitable[object]]] = [
            partial(_use_totp, phone.id, 1),
            partial(_use_passkey, key.id),
            partial(_use_recovery_code, user.id, digest("code")),
        ]
        *used, removed = await together(harness, *uses, remove)
        assert isinstance(removed, User)
        assert {type(one) for one in used} == {bool}
        assert not any(await together(harness, *uses))


# -- use cases --------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    database: Database | None = request.getfixturevalue("database") if request.param == "postgres" else None
    return World(limited=False, database=database)


async def outcome(call: Callable[[], Awaitable[object]]) -> object:
    """The code of a refusal, or "done"."""
    try:
        await call()
    except Refusal as refusal:
        return refusal.code
    return "done"


async def add_factor(world: World, caller: AccessToken, kind: FactorKind) -> EnrolledFactor:
    """Enrol as the use cases do, but without an authenticator."""
    async with world.begin() as work:
        challenge = replace(world.challenges.new(ChallengePurpose.ADD_TOTP), version=1)
        user = await world.enrolment.locked(work, caller, challenge)
        factor = passkey(user) if kind is FactorKind.PASSKEY else totp(user)
        return await world.enrolment.add(work, user, factor, caller=caller, client_info=UNKNOWN_CLIENT)


async def test_the_last_passkey_slots_are_given_out_once(world: World) -> None:
    user = await world.user()
    caller = await world.caller()
    caller = replace(caller, authentication=Authentication.by_passkey(world.clock()))
    for _ in range(MOST_PASSKEYS - 2):
        await add_factor(world, caller, FactorKind.PASSKEY)
    enrolments = [partial(outcome, partial(add_factor, world, caller, FactorKind.PASSKEY))] * MANY
    assert Counter(await run_concurrently(enrolments)) == {"done": 2, ErrorCode.FACTOR_LIMIT: MANY - 2}
    async with world.begin() as work:
        assert len(await work.factors.by_user(user.id)) == MOST_PASSKEYS


async def test_enrolments_removals_logins_and_step_ups_do_not_deadlock(world: World) -> None:
    """They lock the user, factors, recovery codes and challenges; a deadlock would be `unavailable`."""
    for number in range(4):
        email = f"user{number}@example.org"
        user = await world.user(email)
        caller = await world.caller(email)
        caller = replace(caller, authentication=Authentication.by_passkey(world.clock()))
        keys = [(await add_factor(world, caller, FactorKind.PASSKEY)).factor for _ in range(2)]
        codes = [PresentedFactor(recovery_code=code) for code in await world.replace_recovery_codes(caller)]
        async with world.begin() as work:
            stored = await work.users.by_id(user.id)
        challenges = [world.challenges.sign(world.challenges.new(ChallengePurpose.LOGIN, stored)) for _ in range(4)]
        calls: list[Callable[[], Awaitable[object]]] = [
            *(
                partial(world.login_with_factor, challenge=challenge, factor=code)
                for challenge, code in zip(challenges, codes, strict=False)
            ),
            *(partial(world.step_up.by_factor, caller, factor=code) for code in codes[2:6]),
            *(partial(world.remove_factor, caller, key.id) for key in keys),
            partial(world.replace_recovery_codes, caller),
            partial(add_factor, world, caller, FactorKind.TOTP),
            partial(add_factor, world, caller, FactorKind.PASSKEY),
        ]
        outcomes = await run_concurrently(partial(outcome, call) for call in calls)
        refused = {ErrorCode.CHALLENGE_INVALID, ErrorCode.FACTOR_INVALID, ErrorCode.NOT_FOUND}
        assert set(outcomes) <= {"done", *refused}, outcomes
        removed, added = outcomes[8:10], outcomes[-2:]
        assert (removed, added) == (["done"] * 2, ["done"] * 2)


async def test_one_challenge_and_one_code_open_one_session(world: World) -> None:
    user = await world.user()
    caller = await world.caller()
    enrolled = await add_factor(world, caller, FactorKind.TOTP)
    assert enrolled.recovery_codes is not None
    async with world.begin() as work:
        stored = await work.users.by_id(user.id)
    first, second, third = (
        world.challenges.sign(world.challenges.new(ChallengePurpose.LOGIN, stored)) for _ in range(3)
    )
    code, *others = [PresentedFactor(recovery_code=code) for code in enrolled.recovery_codes]
    same_code = [partial(world.login_with_factor, challenge=it, factor=code) for it in (first, second)]
    assert Counter(await run_concurrently(partial(outcome, call) for call in same_code)) == {
        "done": 1,
        ErrorCode.FACTOR_INVALID: 1,
    }
    same_challenge = [partial(world.login_with_factor, challenge=third, factor=code) for code in others[:3]]
    assert Counter(await run_concurrently(partial(outcome, call) for call in same_challenge)) == {
        "done": 1,
        ErrorCode.CHALLENGE_INVALID: 2,
    }
    async with world.begin() as work:
        left = await work.factors.recovery_codes(user.id)
        assert left is not None
        assert left.left == 8
