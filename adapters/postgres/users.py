"""Users in PostgreSQL. A change is one conditional statement. Several rows are locked in one order."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import IntegrityConstraintViolationError
from sqlalchemy import ColumnElement, and_, bindparam, insert, or_, select, update

from adapters.postgres import user_queries
from adapters.postgres.bulk_import import bulk_insert, owners_of, previously_imported
from adapters.postgres.connection import Connection
from adapters.postgres.deleted_users import deletion_of_user, remove, restore, undoable_deletion
from adapters.postgres.provenance import imported_at, provenance
from adapters.postgres.rows import among, row_of_user, user_of
from adapters.postgres.sessions import PostgresSessions
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import users
from adapters.postgres.user_search import page
from application.repositories import PageCursor, UserHit, Users, Verification
from domain.deletion import Deletion
from domain.role import Role
from domain.session import EndReason
from domain.user import User, is_contested

_ADDED = (
    *("id", "email", "username", "password_hash", "role", "credential_version", "created_at", "provenance"),
    *("imported_at", "locale"),
)
_ADD = CompiledStatement(insert(users).values({name: bindparam(name) for name in _ADDED}))


class PostgresUsers(Users):
    def __init__(self, connection: Connection, sessions: PostgresSessions) -> None:
        self._connection = connection
        self._sessions = sessions

    async def add(self, user: User) -> None:
        await self._connection.execute(_ADD, **row_of_user(user))

    async def by_id(self, user_id: UUID) -> User | None:
        return await user_queries.by_id(self._connection, user_id)

    async def by_email(self, email: str) -> User | None:
        return await user_queries.by_email(self._connection, email)

    async def by_emails(self, emails: Collection[str]) -> Mapping[str, User]:
        return await user_queries.by_emails(self._connection, emails)

    async def count_unverified(self, email: str) -> int:
        return await user_queries.count_unverified(self._connection, email)

    async def unverified_hash(self, email: str, username: str | None, *, alone: bool = False) -> str | None:
        return await user_queries.unverified_hash(self._connection, email, username, alone=alone)

    async def by_username(self, username: str) -> User | None:
        return await user_queries.by_username(self._connection, username)

    async def verify_email(self, user_id: UUID, *, credential_version: int, now: datetime) -> Verification | None:
        address = select(users.c.email).where(users.c.id == user_id).scalar_subquery()
        users_of_address = await self._lock_users(users.c.email == address)
        user = next((other for other in users_of_address if other.id == user_id), None)
        if user is None or user.credential_version != credential_version:
            return None
        if user.verified:
            return Verification(user, first_time=False)
        made = await self._save_verified(user, users_of_address, now=now)
        contested = is_contested(users_of_address)
        return None if made is None else Verification(made, first_time=True, contested=contested)

    async def lock(self, user_id: UUID, *, email: str | None = None, with_admins: bool = False) -> Sequence[User]:
        conditions = [users.c.id == user_id]
        if email is not None:
            conditions.append(users.c.email == email)
        if with_admins:
            conditions.append(_is_active_admin(users))
        elif email is not None:
            others = users.alias()
            has_admin = select(others.c.id).where(others.c.email == email, _is_active_admin(others)).exists()
            conditions.append(and_(_is_active_admin(users), has_admin))
        return await self._lock_users(or_(*conditions))

    async def change_email(self, user_id: UUID, email: str, *, over: Collection[User], now: datetime) -> User | None:
        # Users who registered the address after `over` were locked are ignored: locking them would be out of order.
        # The unique index detects verified ones, and unverified ones have no rights beside a verified user.
        user = await self.by_id(user_id)
        return None if user is None else await self._save_verified(user.with_email(email), over, now=now)

    async def evict_from_email(self, user_id: UUID, *, to: str) -> User | None:
        lost = {"email": to, "verified_at": None, "credential_version": users.c.credential_version + 1}
        return await self._one(update(users).where(_present(user_id)).values(lost).returning(users))

    async def replace_password(
        self, user_id: UUID, password_hash: str, *, credential_version: int, recovered: bool = False
    ) -> User | None:
        lag = users.c.recovery_lag if recovered else users.c.recovery_lag + 1
        return await self._one(
            update(users)
            .where(users.c.id == user_id, users.c.credential_version == credential_version)
            .values(password_hash=password_hash, credential_version=credential_version + 1, recovery_lag=lag)
            .returning(users)
        )

    async def record_reset_links(self, issued: Mapping[UUID, datetime]) -> None:
        await user_queries.record_reset_links(self._connection, issued)

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        await self._connection.execute(
            update(users).where(_present(user_id), users.c.password_hash == old).values(password_hash=new)
        )

    async def active_admin_ids(self) -> Sequence[UUID]:
        # Not locked: locking users who became admins since the others were locked would be out of order.
        admins = select(users.c.id).where(_is_active_admin(users)).order_by(users.c.id)
        return await self._connection.fetch_column(admins)

    async def set_role(self, user_id: UUID, role: Role) -> User | None:
        changed = update(users).where(_present(user_id)).values(role=role.value, recovery_lag=_WITHOUT_RESET_LINKS)
        return await self._one(changed.returning(users))

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None:
        changed = update(users).where(_present(user_id)).values(disabled_at=now if disabled else None)
        if disabled:
            changed = changed.values(recovery_lag=_WITHOUT_RESET_LINKS)
        return await self._one(changed.returning(users))

    async def remove(self, user_id: UUID, *, now: datetime, until: datetime | None = None) -> bool:
        return await remove(self._connection, [user_id], now=now, until=until) == 1

    async def deletion(self, user_id: UUID) -> Deletion | None:
        return await deletion_of_user(self._connection, user_id)

    async def undoable_deletion(self, email: str, *, now: datetime) -> Deletion | None:
        return await undoable_deletion(self._connection, email, now=now)

    async def restore(self, user_id: UUID, *, email: str, now: datetime) -> User | None:
        return await restore(self._connection, user_id, email=email, now=now)

    async def rename(self, user_id: UUID, username: str | None) -> User | None:
        renamed = update(users).where(_present(user_id)).values(username=username).returning(users)
        with suppress(IntegrityConstraintViolationError):
            async with self._connection.savepoint():
                return await self._one(renamed)
        return None

    async def set_locale(self, user_id: UUID, locale: str | None) -> User | None:
        return await self._one(update(users).where(_present(user_id)).values(locale=locale).returning(users))

    async def owners_of(self, emails: Collection[str]) -> Mapping[str, User]:
        return await owners_of(self._connection, emails)

    async def previously_imported(self, emails: Collection[str]) -> Collection[str]:
        return await previously_imported(self._connection, emails)

    async def bulk_insert(self, imported: Sequence[User], *, now: datetime) -> Sequence[User]:
        async def remove_unverified(user_ids: Sequence[UUID]) -> None:
            unverified = await self._lock_users(among(users.c.id, user_ids) & users.c.verified_at.is_(None))
            await self._supersede([user.id for user in unverified], now=now)

        return await bulk_insert(self._connection, imported, remove_unverified=remove_unverified, now=now)

    async def page(self, *, query: str, role: Role | None, limit: int, after: PageCursor | None) -> Sequence[UserHit]:
        return await page(self._connection, query=query, role=role, limit=limit, after=after)

    async def _lock_users(self, which: ColumnElement[bool]) -> Sequence[User]:
        """Locks in the order of ids, to avoid deadlocks."""
        condition = and_(which, users.c.deleted_at.is_(None))
        locked = select(users).where(condition).order_by(users.c.id).with_for_update()
        return [user_of(row) for row in await self._connection.fetch(locked)]

    async def _save_verified(self, user: User, users_of_address: Collection[User], *, now: datetime) -> User | None:
        """Save the user as verified; the caller has locked all users of the address. None if another is."""
        rivals = [other.id for other in users_of_address if other.id != user.id]
        if any(other.verified and other.id != user.id for other in users_of_address):
            return None
        await self._supersede(rivals, now=now)
        settled = (
            update(users)
            .where(users.c.id == user.id)
            .values(email=user.email, credential_version=user.credential_version, verified_at=now)
            .values(provenance=provenance, imported_at=imported_at)
            .returning(users)
        )
        # A conflict is about a username that another user owns by now, or else about the address, verified by a user
        # who was created after the query.
        for attempt in (settled, settled.values(username=None)):
            with suppress(IntegrityConstraintViolationError):
                async with self._connection.savepoint():
                    return await self._one(attempt)
        return None

    async def _supersede(self, user_ids: Sequence[UUID], *, now: datetime) -> None:
        """Remove locked unverified users, because another user has verified their address."""
        if user_ids:
            not_evicted = select(users.c.id).where(among(users.c.id, user_ids), ~user_queries.EVICTED.exists())
            user_ids = await self._connection.fetch_column(not_evicted)
        if user_ids:
            await self._sessions.end_all_of(user_ids, now=now, reason=EndReason.SUPERSEDED)
            await remove(self._connection, user_ids, now=now)

    async def _one(self, statement: Any) -> User | None:
        row = await self._connection.fetch_row(statement)
        return None if row is None else user_of(row)


_WITHOUT_RESET_LINKS = users.c.recovery_lag - 1


def _present(user_id: UUID) -> ColumnElement[bool]:
    return and_(users.c.id == user_id, users.c.deleted_at.is_(None))


def _is_active_admin(table: Any) -> ColumnElement[bool]:
    verified, enabled = table.c.verified_at.is_not(None), table.c.disabled_at.is_(None)
    return and_(table.c.role == Role.ADMIN.value, verified, enabled)
