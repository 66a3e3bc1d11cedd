"""Users as rows. A change is one conditional statement; where several rows matter, they are locked in one order."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.postgres_sessions import PostgresSessions
from adapters.postgres.rows import among, row_of_user, user_of
from adapters.postgres.tables import username_key, users
from application.ports import Users
from domain.role import Role
from domain.session import EndReason
from domain.user import User


class PostgresUsers(Users):
    def __init__(self, connection: AsyncConnection, sessions: PostgresSessions) -> None:
        self._connection = connection
        self._sessions = sessions

    async def add(self, user: User) -> None:
        await self._connection.execute(insert(users).values(row_of_user(user)))

    async def by_id(self, user_id: UUID) -> User | None:
        return await self._one(select(users).where(users.c.id == user_id))

    async def by_email(self, email: str) -> User | None:
        return await self._one(_holder_first(select(users).where(users.c.email == email)))

    async def claims(self, email: str) -> int:
        theirs = select(func.count()).where(users.c.email == email, users.c.verified_at.is_(None))
        return (await self._connection.execute(theirs)).scalar_one()

    async def by_username(self, username: str) -> User | None:
        return await self._one(_holder_first(select(users).where(username_key == username.lower())))

    async def prove(self, user_id: UUID, *, credential_version: int, now: datetime) -> User | None:
        address = select(users.c.email).where(users.c.id == user_id).scalar_subquery()
        everybody = select(users).where(users.c.email == address).order_by(users.c.id).with_for_update()
        claimants = [user_of(row) for row in await self._connection.execute(everybody)]
        user = next((claimant for claimant in claimants if claimant.id == user_id), None)
        if user is None or user.credential_version != credential_version:
            return None
        if user.verified:
            return user
        if any(claimant.verified for claimant in claimants):
            return None
        others = [claimant.id for claimant in claimants if claimant.id != user_id]
        if others:
            await self._sessions.end_all_of(others, now=now, reason=EndReason.SUPERSEDED)
            await self._remove(others)
        proven = update(users).where(users.c.id == user_id).values(verified_at=now).returning(users)
        # What stands in the way is a username that somebody else has proven first; if it is not that, it is the
        # address, proven by somebody who was made after we looked.
        for attempt in (proven, proven.values(username=None)):
            with suppress(IntegrityError):
                async with self._connection.begin_nested():
                    return await self._one(attempt)
        return None

    async def replace_password(self, user_id: UUID, password_hash: str, *, credential_version: int) -> User | None:
        return await self._one(
            update(users)
            .where(users.c.id == user_id, users.c.credential_version == credential_version)
            .values(password_hash=password_hash, credential_version=credential_version + 1)
            .returning(users)
        )

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        await self._connection.execute(
            update(users).where(users.c.id == user_id, users.c.password_hash == old).values(password_hash=new)
        )

    async def governors(self) -> Sequence[UUID]:
        found = await self._connection.execute(
            select(users.c.id)
            .where(users.c.role == Role.ADMIN.value, users.c.verified_at.is_not(None), users.c.disabled_at.is_(None))
            .order_by(users.c.id)
            .with_for_update()
        )
        return list(found.scalars())

    async def set_role(self, user_id: UUID, role: Role) -> User | None:
        return await self._one(update(users).where(users.c.id == user_id).values(role=role.value).returning(users))

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None:
        since = now if disabled else None
        return await self._one(update(users).where(users.c.id == user_id).values(disabled_at=since).returning(users))

    async def remove(self, user_id: UUID) -> bool:
        return await self._remove([user_id]) == 1

    async def page(self, *, query: str, role: Role | None, limit: int, after: UUID | None) -> Sequence[User]:
        wanted = select(users).order_by(users.c.id).limit(limit)
        if query:
            start = query.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            wanted = wanted.where(or_(users.c.email.like(start), username_key.like(start)))
        if role is not None:
            wanted = wanted.where(users.c.role == role.value)
        if after is not None:
            wanted = wanted.where(users.c.id > after)
        return [user_of(row) for row in await self._connection.execute(wanted)]

    async def _remove(self, user_ids: Sequence[UUID]) -> int:
        await self._sessions.forget(user_ids)
        return (await self._connection.execute(delete(users).where(among(users.c.id, user_ids)))).rowcount

    async def _one(self, statement: Any) -> User | None:
        row = (await self._connection.execute(statement)).first()
        return None if row is None else user_of(row)


def _holder_first(statement: Any) -> Any:
    return statement.order_by(users.c.verified_at.is_(None), users.c.id.desc()).limit(1)
