"""Users as rows. A change is one conditional statement; where several rows matter, they are locked in one order."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, and_, any_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.admission import admit, brought, standing
from adapters.postgres.postgres_sessions import PostgresSessions
from adapters.postgres.prepared import Prepared
from adapters.postgres.rows import among, holder_first, row_of_user, user_of
from adapters.postgres.tables import address_changes, events, username_key, users
from adapters.postgres.user_pages import page
from application.store import Found, Place, Proof, Standing, Users
from domain.role import Role
from domain.session import EndReason
from domain.user import User

# Displaced by whoever proved their former address, and on their way to this one: more than a claim.
_ON_THEIR_WAY = (
    select(address_changes.c.id)
    .where(
        address_changes.c.user_id == users.c.id,
        address_changes.c.new_email == users.c.email,
        address_changes.c.confirmed_at.is_(None),
    )
    .exists()
)
_ADDED = ("id", "email", "username", "password_hash", "role", "credential_version", "created_at")
_ADD = Prepared(insert(users).values({name: bindparam(name) for name in _ADDED}))
_BY_EMAIL = Prepared(holder_first(select(users).where(users.c.email == bindparam("email"))))
_BY_EMAILS = Prepared(
    select(users)
    .ext(distinct_on(users.c.email))
    .where(users.c.email == any_(bindparam("emails", type_=ARRAY(Text))))
    .order_by(users.c.email, users.c.verified_at.is_(None), users.c.id.desc())
)
_BY_USERNAME = Prepared(holder_first(select(users).where(username_key == bindparam("name"))))


class PostgresUsers(Users):
    def __init__(self, connection: AsyncConnection, sessions: PostgresSessions) -> None:
        self._connection = connection
        self._sessions = sessions

    async def add(self, user: User) -> None:
        await _ADD.count(self._connection, **row_of_user(user))

    async def by_id(self, user_id: UUID) -> User | None:
        return await self._one(select(users).where(users.c.id == user_id))

    async def by_email(self, email: str) -> User | None:
        return _user(await _BY_EMAIL.row(self._connection, email=email))

    async def by_emails(self, emails: Collection[str]) -> Mapping[str, User]:
        found = await _BY_EMAILS.rows(self._connection, emails=list(emails)) if emails else ()
        return {row.email: user_of(row) for row in found}

    async def claims(self, email: str) -> int:
        theirs = select(func.count()).where(users.c.email == email, users.c.verified_at.is_(None))
        return (await self._connection.execute(theirs)).scalar_one()

    async def by_username(self, username: str) -> User | None:
        return _user(await _BY_USERNAME.row(self._connection, name=username.lower()))

    async def prove(self, user_id: UUID, *, credential_version: int, now: datetime) -> Proof | None:
        address = select(users.c.email).where(users.c.id == user_id).scalar_subquery()
        claimants = await self._held(users.c.email == address)
        user = next((claimant for claimant in claimants if claimant.id == user_id), None)
        if user is None or user.credential_version != credential_version:
            return None
        if user.verified:
            return Proof(user, fresh=False)
        made = await self._settle(user, claimants, now=now)
        return None if made is None else Proof(made, fresh=True)

    async def hold(self, user_id: UUID, *, email: str | None = None, governors: bool = False) -> Sequence[User]:
        wanted = [users.c.id == user_id]
        if email is not None:
            wanted.append(users.c.email == email)
        if governors:
            wanted.append(_governs(users))
        elif email is not None:
            theirs = users.alias()
            among_them = select(theirs.c.id).where(theirs.c.email == email, _governs(theirs)).exists()
            wanted.append(and_(_governs(users), among_them))
        return await self._held(or_(*wanted))

    async def move(self, user_id: UUID, email: str, *, over: Collection[User], now: datetime) -> User | None:
        # Who has come to the address since they were held is not looked for: to wait for them now would be out of
        # order. Those who have proven it are met by the index, and a claim beside a proof is worth nothing.
        user = await self.by_id(user_id)
        return None if user is None else await self._settle(user.moved(email), over, now=now)

    async def displace(self, user_id: UUID, *, to: str) -> User | None:
        version = users.c.credential_version + 1
        displaced = update(users).where(users.c.id == user_id)
        return await self._one(
            displaced.values(email=to, verified_at=None, credential_version=version).returning(users)
        )

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
        # Not locked: those who came since the others were held would be waited for out of order.
        governors = select(users.c.id).where(_governs(users)).order_by(users.c.id)
        return list((await self._connection.execute(governors)).scalars())

    async def set_role(self, user_id: UUID, role: Role) -> User | None:
        return await self._one(update(users).where(users.c.id == user_id).values(role=role.value).returning(users))

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None:
        since = now if disabled else None
        return await self._one(update(users).where(users.c.id == user_id).values(disabled_at=since).returning(users))

    async def remove(self, user_id: UUID) -> bool:
        return await self.remove_all([user_id]) == 1

    async def rename(self, user_id: UUID, username: str | None) -> User | None:
        renamed = update(users).where(users.c.id == user_id).values(username=username).returning(users)
        with suppress(IntegrityError):
            async with self._connection.begin_nested():
                return await self._one(renamed)
        return None

    async def standing(self, emails: Collection[str]) -> Mapping[str, Standing]:
        return await standing(self._connection, emails)

    async def brought(self, emails: Collection[str]) -> Collection[str]:
        return await brought(self._connection, emails)

    async def admit(self, newcomers: Sequence[User], *, now: datetime) -> Sequence[User]:
        async def give_way(user_ids: Sequence[UUID]) -> None:
            claims = await self._held(among(users.c.id, user_ids) & users.c.verified_at.is_(None))
            await self._supersede([claim.id for claim in claims], now=now)

        return await admit(self._connection, newcomers, give_way=give_way, now=now)

    async def page(self, *, query: str, role: Role | None, limit: int, after: Place | None) -> Sequence[Found]:
        return await page(self._connection, query=query, role=role, limit=limit, after=after)

    async def _held(self, which: ColumnElement[bool]) -> Sequence[User]:
        """In one order, so that nobody who holds some waits for somebody who holds others."""
        held = select(users).where(which).order_by(users.c.id).with_for_update()
        return [user_of(row) for row in await self._connection.execute(held)]

    async def _settle(self, user: User, claimants: Collection[User], *, now: datetime) -> User | None:
        """The user as given, at a proven address; all its claimants are held. None where one has proven it first."""
        rivals = [claimant.id for claimant in claimants if claimant.id != user.id]
        if any(claimant.verified and claimant.id != user.id for claimant in claimants):
            return None
        await self._supersede(rivals, now=now)
        settled = (
            update(users)
            .where(users.c.id == user.id)
            .values(email=user.email, credential_version=user.credential_version, verified_at=now)
            .returning(users)
        )
        # What stands in the way is a username that somebody else has proven first; if it is not that, it is the
        # address, proven by somebody who was made after we looked.
        for attempt in (settled, settled.values(username=None)):
            with suppress(IntegrityError):
                async with self._connection.begin_nested():
                    return await self._one(attempt)
        return None

    async def _supersede(self, claims: Sequence[UUID], *, now: datetime) -> None:
        """Claims that are held, and give way to whoever has proven their address."""
        if claims:
            mere = select(users.c.id).where(among(users.c.id, claims), ~_ON_THEIR_WAY)
            claims = list((await self._connection.execute(mere)).scalars())
        if claims:
            await self._sessions.end_all_of(claims, now=now, reason=EndReason.SUPERSEDED)
            await self.remove_all(claims)

    async def remove_all(self, user_ids: Sequence[UUID]) -> int:
        """The users are held by the caller, and their sessions are over."""
        await self._sessions.forget(user_ids)
        nowhere = update(events).where(among(events.c.user_id, user_ids)).values(ip="", user_agent="")
        await self._connection.execute(nowhere)
        return (await self._connection.execute(delete(users).where(among(users.c.id, user_ids)))).rowcount

    async def _one(self, statement: Any) -> User | None:
        return _user((await self._connection.execute(statement)).first())


def _user(row: Any) -> User | None:
    return None if row is None else user_of(row)


def _governs(table: Any) -> ColumnElement[bool]:
    proven, allowed = table.c.verified_at.is_not(None), table.c.disabled_at.is_(None)
    return and_(table.c.role == Role.ADMIN.value, proven, allowed)
