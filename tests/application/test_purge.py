"""Purging expired rows: each category in turn, in batches, and nothing that is not expired."""

from dataclasses import replace

import pytest

from application.maintenance.purge_expired import FIRST_BATCH, PurgeCursor
from domain import retention
from domain.audit import EventType
from domain.outbox import LinkPurpose
from domain.retention import RetentionCategory
from domain.role import Role
from tests.support.use_cases import ALICE, BOB, actions_of, claim
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio


async def round_of(world: World) -> tuple[int, list[PurgeCursor]]:
    """The number of rows purged in a pass, and the starts of its batches."""
    removed, spot, spots = 0, FIRST_BATCH, []
    while True:
        spots.append(spot)
        count, following = await world.purge_expired(spot)
        removed += count
        if following is None:
            return removed, spots
        spot = following


async def test_a_purge_removes_nothing_that_is_in_use(world: World) -> None:
    await world.user(ALICE, role=Role.ADMIN)
    await claim(world, BOB, PASSWORD)
    await world.log_in(BOB)
    await world.logout(await world.caller())
    await world.deliver_mail(limit=10)
    before = world.store.rows.copy()
    removed, spots = await round_of(world)
    assert (removed, [spot.kind for spot in spots]) == (0, list(RetentionCategory))
    assert world.store.rows == before


async def test_a_purge_removes_expired_rows(world: World) -> None:
    # Ids contain the current time, so the clock is set ahead and not back.
    alice = await world.user(ALICE)
    await world.login(login=ALICE, password=PASSWORD)
    await world.request_reset(email=ALICE)
    await world.deliver_mail(limit=10)
    await world.register(email=BOB, password=PASSWORD)
    await world.change_email(await world.caller(), new_email="new@example.org", password=PASSWORD)
    await world.revocation_store.mark_published(await world.revocation_store.pending())
    world.clock.now = world.clock.now.replace(year=2100)
    await world.deliver_mail(limit=10)
    await world.user("carol@example.org")
    removed, _ = await round_of(world)
    rows = world.store.rows
    assert {user.email for user in rows.users.values()} == {ALICE, "carol@example.org"}
    assert (rows.sessions, rows.email_changes) == ({}, {})
    assert actions_of(world, alice) == []
    assert [event.action for event in rows.events.values()] == [EventType.CREATED]
    assert removed > 6
    assert (await round_of(world))[0] == 0


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_a_purge_runs_as_many_batches_as_needed(world: World, limit: int) -> None:
    world.purge_expired = replace(world.purge_expired, limit=limit)
    await world.user(ALICE)
    for _ in range(6):
        await world.log_in()
    world.clock.now = world.clock.now.replace(year=2100)
    await world.log_in()
    removed, spots = await round_of(world)
    assert removed == 6 + 7  # the sessions, and the events of making one user and six logins
    assert len([spot for spot in spots if spot.kind is RetentionCategory.SESSION]) == 7 // limit + 1
    assert len(world.store.rows.sessions) == 1


def test_no_link_outlives_its_rows() -> None:
    assert max(purpose.lifetime for purpose in LinkPurpose) <= min(retention.UNVERIFIED_USER, retention.EMAIL_CHANGE)
    assert retention.LINK < retention.MAIL  # mails are kept while their link may be valid
