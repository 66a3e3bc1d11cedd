"""The unit of work: atomic, isolated, and published only after the commit."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import anyio
import pytest

from domain.outbox import DeliveryOutcome
from domain.refusals import Refusal
from domain.role import Role
from domain.session import EndReason
from tests.support.store_harness import (
    LATER,
    NOW,
    Rollback,
    StoreHarness,
    claim,
    login_event,
    new_id,
    new_session,
    queued_mail,
    run_concurrently,
)

pytestmark = pytest.mark.anyio


async def make_all_changes(harness: StoreHarness) -> None:
    """Make a change of each kind in one unit of work."""
    user = claim("all@example.org", role=Role.ADMIN)
    session = new_session(user)
    async with harness.begin() as work:
        await work.users.add(user)
        await work.users.verify_email(user.id, credential_version=1, now=NOW)
        await work.sessions.open(session, credential_version=1, event=login_event(session))
        await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT)
        await work.outbox.add(queued_mail())
        (mail,) = await work.outbox.lease(now=NOW, hold=LATER - NOW, limit=1)
        await work.outbox.record_outcome(mail, DeliveryOutcome.PARKED, now=LATER)


async def count_changes(harness: StoreHarness) -> tuple[int, int, int, int, int]:
    async with harness.begin() as work:
        users = await work.users.page(query="all", role=None, limit=9, after=None)
        mails = await work.outbox.parked(limit=9)
    raised = await harness.revocations.revoked(within=timedelta(hours=1))
    return len(users), len(mails), len(raised), len(harness.blocklist.published), len(harness.nudged)


async def test_a_unit_of_work_commits_all_changes(harness: StoreHarness) -> None:
    await make_all_changes(harness)
    assert await count_changes(harness) == (1, 1, 1, 1, 1)


async def test_a_unit_of_work_sees_its_own_changes(harness: StoreHarness) -> None:
    user = claim()
    async with harness.begin() as work:
        await work.users.add(user)
        assert await work.users.by_email(user.email) == user
        session = new_session(user)
        assert await work.sessions.open(session, credential_version=1, event=login_event(session)) == user
        assert await work.sessions.by_id(session.id) == session


async def test_an_uncommitted_unit_of_work_is_invisible(harness: StoreHarness) -> None:
    user = await harness.user()
    session = await harness.session(user)
    async with harness.begin() as work:
        await work.sessions.end_all(user.id, now=LATER, reason=EndReason.LOGOUT_ALL)
        await work.outbox.add(queued_mail())
        assert await harness.revocations.min_generations([session.id]) == {session.id: 0}
        assert await harness.revocations.pending() == {}
        assert (harness.blocklist.published, harness.nudged) == ([], [])


@pytest.mark.parametrize("error", [Rollback, OSError, KeyError, anyio.EndOfStream])
async def test_an_exception_rolls_back_and_publishes_nothing(harness: StoreHarness, error: type[Exception]) -> None:
    user = claim("all@example.org")

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.users.add(user)
            session = new_session(user)
            await work.sessions.open(session, credential_version=1, event=login_event(session))
            await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT)
            await work.outbox.add(queued_mail())
            raise error

    with pytest.raises((error, Refusal)):
        await roll_back()
    assert await count_changes(harness) == (0, 0, 0, 0, 0)


async def test_a_cancelled_unit_of_work_rolls_back_and_does_not_affect_others(harness: StoreHarness) -> None:
    for number in range(10):
        with anyio.CancelScope() as scope:
            async with harness.begin() as work:
                await work.users.add(claim(f"all{number}@example.org"))
                await work.outbox.add(queued_mail())
                scope.cancel()
                await anyio.sleep(1)
    assert await count_changes(harness) == (0, 0, 0, 0, 0)
    await make_all_changes(harness)
    assert await count_changes(harness) == (1, 1, 1, 1, 1)


async def test_a_unit_of_work_without_revocations_or_mails_publishes_nothing(harness: StoreHarness) -> None:
    user = await harness.user()
    await harness.session(user)
    async with harness.begin() as work:
        assert await work.sessions.end_all(new_id(), now=LATER, reason=EndReason.LOGOUT_ALL) == 0
        assert await work.sessions.revoke_access_tokens(new_id()) == 0
    assert (harness.blocklist.published, harness.nudged) == ([], [])


async def test_concurrent_units_of_work_lose_no_change(harness: StoreHarness) -> None:
    def register(number: int) -> Callable[[], Awaitable[None]]:
        async def add() -> None:
            async with harness.begin() as work:
                await work.users.add(claim(f"all{number}@example.org"))
                await work.outbox.add(queued_mail())
                if number % 3 == 0:
                    raise Rollback

        async def add_unless_undone() -> None:
            with suppress(Rollback):
                await add()

        return add_unless_undone

    await run_concurrently(register(number) for number in range(60))
    async with harness.begin() as work:
        kept = await work.users.page(query="all", role=None, limit=100, after=None)
    assert sorted(found.user.email for found in kept) == sorted(f"all{n}@example.org" for n in range(60) if n % 3)
    assert len(harness.nudged) == 40
