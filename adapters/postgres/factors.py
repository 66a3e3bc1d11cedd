"""Factors in PostgreSQL. Callers lock the user before they change the user's factors."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from adapters.postgres.connection import Connection
from adapters.postgres.factor_rows import (
    factor_of,
    row_of_factor,
    row_of_recovery_code,
    row_of_undo_point,
    undo_point_of,
)
from adapters.postgres.rows import OWNER, among, insert_all, user_of
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import (
    address_changes,
    factor_enrolment,
    factors,
    recovery_codes,
    spent,
    undo_points,
    users,
)
from application.repositories import Factors
from domain.factor import Factor, RecoveryCode, RecoveryCodeCount, UndoPoint
from domain.user import User


class PostgresFactors(Factors):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def by_user(self, user_id: UUID, *, removed: bool = False) -> Sequence[Factor]:
        query = select(factors).where(_of(factors, user_id)).order_by(factors.c.id)
        query = query if removed else query.where(factors.c.removed_in.is_(None))
        return [factor_of(row) for row in await self._connection.fetch(query)]

    async def by_credential_id(self, credential_id: bytes) -> tuple[Factor, User] | None:
        row = await self._connection.fetch_row(_BY_CREDENTIAL_ID, credential_id=credential_id)
        return None if row is None else (factor_of(row), user_of(row, "owner_"))

    async def add(self, factor: Factor, *, replacing: Sequence[UUID] = ()) -> bool:
        new = insert(factors).values(row_of_factor(factor)).on_conflict_do_nothing()
        if not await self._connection.execute(new):
            return False
        if replacing:
            removed = update(factors).where(_in_use(factors, factor.user_id), among(factors.c.id, replacing))
            values = {"removed_in": factor.added_in, "removed_at": factor.created_at}
            await self._connection.execute(removed.values(values))
        await self._changed(factor.user_id)
        return True

    async def remove(self, user_id: UUID, factor_ids: Sequence[UUID], *, now: datetime) -> User | None:
        in_use = {factor.id for factor in await self.by_user(user_id)}
        if not set(factor_ids) <= in_use:
            return None
        values = {"removed_in": _next_version(user_id), "removed_at": now}
        await self._connection.execute(update(factors).where(among(factors.c.id, factor_ids)).values(values))
        if len(in_use) == len(set(factor_ids)):
            await self._connection.execute(
                update(recovery_codes).where(_in_use(recovery_codes, user_id)).values(values)
            )
        return await self._changed(user_id)

    async def rename(self, user_id: UUID, factor_id: UUID, name: str) -> Factor | None:
        renamed = update(factors).where(_in_use(factors, user_id), factors.c.id == factor_id)
        row = await self._connection.fetch_row(renamed.values(name=name).returning(factors))
        return None if row is None else factor_of(row)

    async def use_totp(self, factor_id: UUID, *, step: int, now: datetime) -> bool:
        used = update(factors).where(_usable(factor_id), factors.c.last_step < step)
        used = used.values(last_step=step, last_used_at=now)
        return await self._connection.execute(used) == 1

    async def use_passkey(self, factor_id: UUID, *, sign_count: int, backed_up: bool, now: datetime) -> bool:
        values = {"count": sign_count, "backed_up": backed_up, "last_used_at": now}
        return await self._connection.execute(_USE_PASSKEY, factor_id=factor_id, **values) == 1

    async def replace_recovery_codes(self, user_id: UUID, codes: Sequence[RecoveryCode], *, now: datetime) -> None:
        values = {"removed_in": _next_version(user_id), "removed_at": now}
        await self._connection.execute(update(recovery_codes).where(_in_use(recovery_codes, user_id)).values(values))
        await self._connection.execute(insert_all(recovery_codes, [row_of_recovery_code(code) for code in codes]))
        await self._changed(user_id)

    async def recovery_codes(self, user_id: UUID) -> RecoveryCodeCount | None:
        left = func.count().filter(recovery_codes.c.used_at.is_(None))
        added = (func.max(recovery_codes.c[name]).label(name) for name in ("created_at", "added_in"))
        query = select(left.label("left"), *added).where(_in_use(recovery_codes, user_id))
        row = await self._connection.fetch_row(query)
        if row is None or row["created_at"] is None:
            return None
        return RecoveryCodeCount(left=row["left"], created_at=row["created_at"], added_in=row["added_in"])

    async def use_recovery_code(self, user_id: UUID, digest: bytes, *, now: datetime) -> bool:
        unused = and_(
            _in_use(recovery_codes, user_id), recovery_codes.c.digest == digest, recovery_codes.c.used_at.is_(None)
        )
        return await self._connection.execute(update(recovery_codes).where(unused).values(used_at=now)) == 1

    async def use_challenge(self, digest: bytes, *, expires_at: datetime) -> bool:
        # A transaction that inserts the same digest at this moment is waited for.
        return await self._connection.execute(_SPEND, digest=digest, expires_at=expires_at) == 1

    async def add_undo_point(self, point: UndoPoint) -> None:
        await self._connection.execute(insert(undo_points).values(row_of_undo_point(point)))

    async def undo_point(self, point_id: UUID) -> UndoPoint | None:
        row = await self._connection.fetch_row(select(undo_points).where(undo_points.c.id == point_id))
        return None if row is None else undo_point_of(row)

    async def undo_points(self, user_id: UUID) -> Sequence[UndoPoint]:
        query = select(undo_points).where(_of(undo_points, user_id)).order_by(undo_points.c.id.desc())
        return [undo_point_of(row) for row in await self._connection.fetch(query)]

    async def restore(self, user_id: UUID, version: int, *, now: datetime) -> User | None:
        for table in (factors, recovery_codes):
            existed = and_(
                table.c.added_in <= version, or_(table.c.removed_in.is_(None), table.c.removed_in > version)
            )
            of_user = table.c.user_id == user_id
            removed = {"removed_in": _next_version(user_id), "removed_at": now}
            await self._connection.execute(
                update(table).where(of_user, ~existed, table.c.removed_in.is_(None)).values(removed)
            )
            await self._connection.execute(
                update(table).where(of_user, existed).values(removed_in=None, removed_at=None)
            )
        for table in (undo_points, address_changes):
            later = update(table).where(table.c.user_id == user_id, table.c.factor_version > version)
            await self._connection.execute(later.values(factor_version=version))
        return await self._changed(user_id)

    async def close_undo_point(self, point_id: UUID, *, now: datetime) -> None:
        await self._connection.execute(update(undo_points).where(undo_points.c.id == point_id).values(closed_at=now))

    async def with_secrets(self, *, after: UUID | None, limit: int) -> Sequence[Factor]:
        query = select(factors).where(factors.c.encrypted_secret.is_not(None)).order_by(factors.c.id).limit(limit)
        query = query if after is None else query.where(factors.c.id > after)
        return [factor_of(row) for row in await self._connection.fetch(query)]

    async def replace_secret(self, factor_id: UUID, *, old: bytes, new: bytes) -> bool:
        unchanged = update(factors).where(factors.c.id == factor_id, factors.c.encrypted_secret == old)
        return await self._connection.execute(unchanged.values(encrypted_secret=new)) == 1

    async def enrolment_open(self) -> bool:
        return bool(await self._connection.fetch_value(select(select(factor_enrolment.c.id).exists())))

    async def open_enrolment(self) -> bool:
        return await self._connection.execute(insert(factor_enrolment).values(id=True).on_conflict_do_nothing()) == 1

    async def _changed(self, user_id: UUID) -> User | None:
        """Raise the factor version, and list the kinds of factors in the user."""
        kinds = select(factors.c.kind).distinct().where(_in_use(factors, user_id)).order_by(factors.c.kind)
        values = {
            "factors": cast(func.array(kinds.scalar_subquery()), ARRAY(Text)),
            "factor_version": users.c.factor_version + 1,
        }
        row = await self._connection.fetch_row(
            update(users).where(users.c.id == user_id, users.c.deleted_at.is_(None)).values(values).returning(users)
        )
        return None if row is None else user_of(row)


def _of(table: Table, user_id: UUID) -> ColumnElement[bool]:
    present = select(users.c.id).where(users.c.id == user_id, users.c.deleted_at.is_(None))
    return and_(table.c.user_id == user_id, present.correlate(None).exists())


def _in_use(table: Table, user_id: UUID) -> ColumnElement[bool]:
    return and_(_of(table, user_id), table.c.removed_in.is_(None))


def _usable(factor_id: UUID | BindParameter[UUID]) -> ColumnElement[bool]:
    present = select(users.c.id).where(users.c.id == factors.c.user_id, users.c.deleted_at.is_(None))
    return and_(factors.c.id == factor_id, factors.c.removed_in.is_(None), present.exists())


# Those of each login by passkey are compiled once, which costs more than sending them.
_BY_CREDENTIAL_ID = CompiledStatement(
    select(factors, *OWNER)
    .join(users, users.c.id == factors.c.user_id)
    .where(factors.c.credential_id == bindparam("credential_id"), factors.c.removed_in.is_(None))
    .where(users.c.deleted_at.is_(None))
)
_USE_PASSKEY = CompiledStatement(
    update(factors)
    .where(_usable(bindparam("factor_id")), factors.c.sign_count.is_not(None))
    .values(
        # Never lower, so that a regress stays visible.
        sign_count=func.greatest(factors.c.sign_count, bindparam("count")),
        backed_up=bindparam("backed_up"),
        last_used_at=bindparam("last_used_at"),
    )
)
_SPEND = CompiledStatement(
    insert(spent).values(digest=bindparam("digest"), expires_at=bindparam("expires_at")).on_conflict_do_nothing()
)


def _next_version(user_id: UUID) -> ColumnElement[int]:
    return select(users.c.factor_version + 1).where(users.c.id == user_id).scalar_subquery()
