"""Purges expired rows by a scan along the primary key. Ids are ordered by time, so the scan ends where no row can be
old enough. An index on expiry would make every refresh more expensive."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, and_, any_, case, delete, func, not_, or_, select, true

from adapters.postgres import tables
from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.deleted_users import clean, remove
from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.provenance import fill_in
from adapters.postgres.rows import among
from adapters.postgres.tables import (
    address_changes,
    deletions,
    events,
    factors,
    mails,
    recovery_codes,
    sessions,
    spent,
    undo_points,
    users,
)
from adapters.postgres.user_queries import EVICTED
from adapters.uuid7 import lowest
from application.ports import ExpiredRows
from domain import retention
from domain.outbox import DeliveryOutcome
from domain.retention import PurgeResult, RetentionCategory
from domain.user import Provenance


class PostgresExpiredRows(ExpiredRows):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def purge(self, kind: RetentionCategory, *, now: datetime, after: UUID | None, limit: int) -> PurgeResult:
        if kind is RetentionCategory.DELETED_USER:
            return await self._purge_deleted(now=now, after=after, limit=limit)
        if kind is RetentionCategory.USED_CHALLENGE:
            return await self._purge_challenges(now=now, limit=limit)
        table, minimum_age, over = _RULES[kind]
        fitting = over(now)
        walk = select(table.c.id, fitting.label("over")).where(table.c.id < lowest(now - minimum_age))
        walk = walk if after is None else walk.where(table.c.id > after)
        if kind is RetentionCategory.UNVERIFIED_USER:
            walk = walk.where(users.c.verified_at.is_(None), users.c.deleted_at.is_(None))
        if kind in (RetentionCategory.FACTOR, RetentionCategory.RECOVERY_CODE):
            walk = walk.where(table.c.removed_at.is_not(None))
        with outages_as_refusals():
            async with self._database.transaction() as connection:
                if kind is RetentionCategory.UNVERIFIED_USER and await fill_in(connection, limit=limit):
                    return PurgeResult(0, after or UUID(int=0))  # the next call continues
                scanned = await connection.fetch(walk.order_by(table.c.id).limit(limit))
                ids = [row["id"] for row in scanned if row["over"]]
                if ids and kind is RetentionCategory.UNVERIFIED_USER:
                    removed = await _remove_unverified(connection, ids, fitting, now=now)
                else:
                    removed = await _remove(connection, table, ids, fitting) if ids else 0
        return PurgeResult(removed, scanned[-1]["id"] if len(scanned) == limit else None)

    async def _purge_deleted(self, *, now: datetime, after: UUID | None, limit: int) -> PurgeResult:
        """Clean one user after another, each in its own transaction, until `limit` rows have been changed."""
        due = or_(deletions.c.until.is_(None), deletions.c.until <= now)
        query = select(deletions.c.id).where(due).order_by(deletions.c.id).limit(limit)
        query = query if after is None else query.where(deletions.c.id > after)
        changed = 0
        with outages_as_refusals():
            async with self._database.connection() as connection:
                user_ids = await connection.fetch_column(query)
            for user_id in user_ids:
                async with self._database.transaction() as connection:
                    cleaned, finished = await clean(connection, user_id, due=due, limit=limit)
                changed += cleaned
                if not finished:
                    return PurgeResult(changed, UUID(int=user_id.int - 1))
                if changed >= limit:
                    return PurgeResult(changed, user_id)
        return PurgeResult(changed, user_ids[-1] if len(user_ids) == limit else None)

    async def _purge_challenges(self, *, now: datetime, limit: int) -> PurgeResult:
        """They have no id, and each that expired is removed. The next call continues."""
        # Also by the clock of the database: the worker's may be ahead, and an early removal would allow a replay.
        before = func.least(now - retention.USED_CHALLENGE, func.now())
        expired = select(spent.c.digest).where(spent.c.expires_at < before).limit(limit)
        digests = expired.order_by(spent.c.expires_at).with_for_update(skip_locked=True).scalar_subquery()
        with outages_as_refusals():
            async with self._database.transaction() as connection:
                removed = await connection.execute(delete(spent).where(spent.c.digest == any_(func.array(digests))))
        return PurgeResult(removed, UUID(int=0) if removed == limit else None)


async def _remove(connection: Connection, table: Table, ids: Sequence[UUID], expired: ColumnElement[bool]) -> int:
    """Skips locked rows, which are about to change; the next pass sees them."""
    free = select(table.c.id).where(among(table.c.id, ids), expired).with_for_update(skip_locked=True)
    locked = await connection.fetch_column(free)
    return await connection.execute(delete(table).where(among(table.c.id, locked))) if locked else 0


async def _remove_unverified(
    connection: Connection, ids: Sequence[UUID], expired: ColumnElement[bool], *, now: datetime
) -> int:
    """Locks the users, then checks them again: a login in between adds a session and leaves the user's row alone."""
    free = select(users.c.id).where(among(users.c.id, ids)).order_by(users.c.id).with_for_update(skip_locked=True)
    locked = await connection.fetch_column(free)
    idle = await connection.fetch_column(select(users.c.id).where(among(users.c.id, locked), expired))
    return await remove(connection, idle, now=now) if idle else 0


def _session(now: datetime) -> ColumnElement[bool]:
    before = now - retention.SESSION
    # By the database's clock, which wrote it: the worker's clock may be a day ahead.
    quiet = or_(sessions.c.revoked_at.is_(None), sessions.c.revoked_at < func.now() - retention.SESSION)
    return and_(
        func.coalesce(sessions.c.ended_at, sessions.c.expires_at) < before, quiet, not_(sessions.c.revocation_pending)
    )


def _mail(now: datetime) -> ColumnElement[bool]:
    parked = mails.c.outcome == DeliveryOutcome.PARKED.value
    before = case((parked, now - retention.PARKED_MAIL), else_=now - retention.MAIL)
    return and_(mails.c.outcome.is_not(None), mails.c.settled_at < before)


def _email_change(now: datetime) -> ColumnElement[bool]:
    their_user = users.c.id == address_changes.c.user_id
    unverified = select(users.c.id).where(their_user, users.c.verified_at.is_(None))
    return and_(address_changes.c.asked_at < now - retention.EMAIL_CHANGE, _no_row(unverified))


def _undo_point(now: datetime) -> ColumnElement[bool]:
    return undo_points.c.changed_at < now - retention.UNDO_POINT


def _removed_from(table: Table) -> Callable[[datetime], ColumnElement[bool]]:
    return lambda now: table.c.removed_at < now - retention.FACTOR


def _unverified_user(now: datetime) -> ColumnElement[bool]:
    before = now - retention.UNVERIFIED_USER
    alive = and_(sessions.c.user_id == users.c.id, sessions.c.ended_at.is_(None), sessions.c.expires_at > now)
    recent = and_(events.c.user_id == users.c.id, events.c.created_at >= before)
    asked_for = and_(mails.c.recipient == users.c.email, mails.c.created_at >= now - retention.LINK)
    return and_(
        users.c.verified_at.is_(None),
        users.c.disabled_at.is_(None),
        users.c.provenance == Provenance.SELF.value,
        users.c.created_at < before,
        _no_row(select(sessions.c.id).where(alive)),
        _no_row(select(events.c.id).where(recent)),
        _no_row(select(mails.c.id).where(asked_for)),
        _no_row(EVICTED),
    )


def _event(now: datetime) -> ColumnElement[bool]:
    return events.c.created_at < now - retention.EVENT


def _by_age_alone(_: datetime) -> ColumnElement[bool]:
    return true()


def _no_row(such: Select[tuple[UUID]]) -> ColumnElement[bool]:
    """There is no such row. A scalar subquery uses the index for each row; the planner may turn an EXISTS into a join
    and read whole tables."""
    return such.limit(1).scalar_subquery().is_(None)


_RULES = {
    RetentionCategory.SESSION: (tables.sessions, retention.SESSION, _session),
    RetentionCategory.MAIL: (tables.mails, retention.MAIL, _mail),
    RetentionCategory.EMAIL_CHANGE: (tables.address_changes, retention.EMAIL_CHANGE, _email_change),
    RetentionCategory.UNDO_POINT: (undo_points, retention.UNDO_POINT, _undo_point),
    RetentionCategory.FACTOR: (factors, retention.FACTOR, _removed_from(factors)),
    RetentionCategory.RECOVERY_CODE: (recovery_codes, retention.FACTOR, _removed_from(recovery_codes)),
    RetentionCategory.INVITATION: (tables.invitations, retention.INVITATION, _by_age_alone),
    RetentionCategory.UNVERIFIED_USER: (tables.users, retention.UNVERIFIED_USER, _unverified_user),
    RetentionCategory.EVENT: (tables.events, retention.EVENT, _event),
    RetentionCategory.IMPORT_DIGEST: (tables.import_digests, retention.IMPORT_DIGEST, _by_age_alone),
}
"""For each kind its table, the least age of expired rows, and the condition."""
