"""The purge of removed factors and recovery codes, undo points and used challenges."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.unit_of_work import MemoryStore
from adapters.postgres.tables import factors, recovery_codes, undo_points
from application.ports import ExpiredRows
from domain import retention
from domain.factor import RecoveryCodeCount
from domain.outbox import LinkPurpose
from domain.retention import RetentionCategory
from domain.session import EndReason
from domain.user import User
from tests.support.store_harness import LATER, NOW, StoreHarness
from tests.support.stored_factors import (
    add,
    digest,
    factors_of,
    passkey,
    replace_codes,
    totp,
    undo_point,
)

pytestmark = pytest.mark.anyio

MOMENT, DAY = timedelta(microseconds=1), timedelta(days=1)


async def purge(
    expired_rows: ExpiredRows, kind: RetentionCategory, *, now: datetime = NOW, limit: int = 1000
) -> list[int]:
    """The number of rows that each batch removed."""
    removed, after = [], None
    while True:
        result = await expired_rows.purge(kind, now=now, after=after, limit=limit)
        removed.append(result.removed)
        after = result.last
        if after is None:
            return removed


def test_rows_are_kept_longer_than_a_link_needs_them() -> None:
    assert LinkPurpose.RESTORE.lifetime < retention.FACTOR
    assert LinkPurpose.RESTORE.lifetime < retention.UNDO_POINT


async def remove_factors(harness: StoreHarness, user: User, *ids: UUID, now: datetime) -> None:
    async with harness.begin() as work:
        await work.users.lock(user.id)
        assert await work.factors.remove(user.id, ids, now=now)


async def test_factors_are_purged_after_they_can_be_restored(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    user = await harness.user()
    in_use, old, young = passkey(user), totp(user, version=2), passkey(user, version=3, credential_id=b"young")
    gone = passkey(user, version=4, credential_id=b"gone")
    await add(harness, in_use, old, young, gone)
    edge = NOW - retention.FACTOR
    await remove_factors(harness, user, old.id, gone.id, now=edge - MOMENT)
    await remove_factors(harness, user, young.id, now=edge)
    assert await purge(expired_rows, RetentionCategory.FACTOR) == [2]
    async with harness.begin() as work:
        stored = await work.factors.by_user(user.id, removed=True)
        assert [one.id for one in stored] == [in_use.id, young.id]
        assert not await work.factors.add(passkey(user, version=7, credential_id=b"young"))
    assert await purge(expired_rows, RetentionCategory.FACTOR) == [0]


async def test_recovery_codes_are_purged_after_they_can_be_restored(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    user = await harness.user()
    edge = NOW - retention.FACTOR
    await replace_codes(harness, user, "old", "older", at=edge - DAY)
    await replace_codes(harness, user, "young", at=edge - MOMENT)
    await replace_codes(harness, user, "present", "used", at=edge)
    async with harness.begin() as work:
        assert await work.factors.use_recovery_code(user.id, digest("used"), now=edge)
    assert await purge(expired_rows, RetentionCategory.RECOVERY_CODE) == [2]
    async with harness.begin() as work:
        assert await work.factors.recovery_codes(user.id) == RecoveryCodeCount(left=1, created_at=edge, added_in=3)
        await work.factors.restore(user.id, 2, now=NOW)
        assert await work.factors.use_recovery_code(user.id, digest("young"), now=NOW)


async def test_undo_points_are_purged_after_their_links_have_expired(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    user = await harness.user()
    edge = NOW - retention.UNDO_POINT
    old, young = undo_point(user, at=edge - MOMENT), undo_point(user, at=edge)
    async with harness.begin() as work:
        await work.factors.add_undo_point(old)
        await work.factors.add_undo_point(young)
    assert await purge(expired_rows, RetentionCategory.UNDO_POINT) == [1]
    async with harness.begin() as work:
        assert await work.factors.undo_points(user.id) == [young]


async def use_challenge(harness: StoreHarness, digest: bytes, expires_at: datetime) -> bool:
    async with harness.begin() as work:
        return await work.factors.use_challenge(digest, expires_at=expires_at)


async def test_used_challenges_are_purged_a_day_after_they_expire(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    edge = NOW - retention.USED_CHALLENGE
    for number in range(5):
        assert await use_challenge(harness, bytes([number]), edge - MOMENT)
    assert await use_challenge(harness, b"young", edge)
    assert await purge(expired_rows, RetentionCategory.USED_CHALLENGE, limit=2) == [2, 2, 1]
    assert not await use_challenge(harness, b"young", edge)
    assert await use_challenge(harness, bytes([0]), edge)


async def test_challenge_that_is_valid_by_the_database_clock_is_not_purged(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    """The clock of a worker may be far ahead; without the row, the challenge could be answered again."""
    expires_at = datetime.now(UTC) + DAY
    assert await use_challenge(harness, b"digest", expires_at)
    assert await purge(expired_rows, RetentionCategory.USED_CHALLENGE, now=expires_at + 9 * DAY) == [0]
    assert not await use_challenge(harness, b"digest", expires_at)


async def test_cleaning_a_deleted_user_leaves_no_factor(
    harness: StoreHarness, expired_rows: ExpiredRows, request: pytest.FixtureRequest
) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    key, theirs = passkey(user, credential_id=b"mine"), totp(other)
    await add(harness, key, totp(user, version=2), theirs)
    await replace_codes(harness, user, "code")
    point = undo_point(user)
    async with harness.begin() as work:
        await work.factors.add_undo_point(point)
        await work.sessions.end_all(user.id, now=NOW, reason=EndReason.DELETED)
        assert await work.users.remove(user.id, now=NOW, until=LATER)
    await purge(expired_rows, RetentionCategory.DELETED_USER, now=LATER - MOMENT)
    async with harness.begin() as work:
        assert await work.factors.undo_point(point.id) == point
    await purge(expired_rows, RetentionCategory.DELETED_USER, now=LATER)
    assert await _owners(harness, request) == {other.id}
    async with harness.begin() as work:
        assert await work.factors.undo_point(point.id) is None
    await add(harness, replace(passkey(other, version=2), id=key.id, credential=key.credential))
    assert len(await factors_of(harness, other)) == 2


async def _owners(harness: StoreHarness, request: pytest.FixtureRequest) -> set[UUID]:
    """The users with rows in any table of factors."""
    if isinstance(harness.store, MemoryStore):
        rows = harness.store.rows
        return {
            one.user_id for table in (rows.factors, rows.recovery_codes, rows.undo_points) for one in table.values()
        }
    engine: AsyncEngine = request.getfixturevalue("engine")
    async with engine.connect() as connection:
        tables = (factors, recovery_codes, undo_points)
        return {
            owner for table in tables for owner in (await connection.execute(select(table.c.user_id))).scalars().all()
        }
