"""Looks up users by id, or by address or username: the verified user, or else the unverified ones."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, func, select, union, update
from sqlalchemy.dialects.postgresql import distinct_on

from adapters.postgres.connection import Connection
from adapters.postgres.rows import among, holder_first, user_of
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import address_changes, username_key, users
from domain.user import User

EVICTED = select(address_changes.c.id).where(
    address_changes.c.user_id == users.c.id,
    address_changes.c.new_email == users.c.email,
    address_changes.c.confirmed_at.is_(None),
)
"""Unconfirmed changes of evicted users to their present address; `EmailChange.is_pending_at` is true for these."""

_BY_ID = CompiledStatement(select(users).where(users.c.id == bindparam("user"), users.c.deleted_at.is_(None)))
_BY_EMAIL = CompiledStatement(holder_first(select(users).where(users.c.email == bindparam("email"))))
_BY_EMAILS = CompiledStatement(
    select(users)
    .ext(distinct_on(users.c.email))
    .where(users.c.email == any_(bindparam("emails", type_=ARRAY(Text))))
    .order_by(users.c.email, users.c.verified_at.is_(None), users.c.id.desc())
)
MOST = 50
"""A login compares the hashes of the first 50 and the last 50 unverified users of a name."""


def _candidates(named: ColumnElement[bool]) -> CompiledStatement:
    verified_first = users.c.verified_at.is_(None)
    halves = [
        select(users).where(named).order_by(verified_first, order).limit(MOST).subquery()
        for order in (users.c.id, users.c.id.desc())
    ]
    return CompiledStatement(union(*(select(half) for half in halves)))


def _first_hash(named: ColumnElement[bool]) -> CompiledStatement:
    unverified = select(users.c.password_hash).where(named, users.c.verified_at.is_(None))
    return CompiledStatement(unverified.order_by(users.c.id).limit(1))


_named = username_key == bindparam("name")
_CANDIDATES_BY_EMAIL = _candidates(users.c.email == bindparam("email"))
_CANDIDATES_BY_USERNAME = _candidates(_named)
_FIRST_HASH_BY_EMAIL = _first_hash(users.c.email == bindparam("email"))
_FIRST_HASH_BY_USERNAME = _first_hash(_named)
_ONE_AFTER_ANOTHER = CompiledStatement(
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("email"), 0)))
)
_BY_USERNAME = CompiledStatement(holder_first(select(users).where(username_key == bindparam("name"))))


async def lock_email(connection: Connection, email: str) -> None:
    """Other transactions that lock the address wait until the commit, though it may have no user."""
    await connection.fetch_row(_ONE_AFTER_ANOTHER, email=email)


async def by_id(connection: Connection, user_id: UUID) -> User | None:
    row = await connection.fetch_row(_BY_ID, user=user_id)
    return None if row is None else user_of(row)


async def by_email(connection: Connection, email: str) -> User | None:
    row = await connection.fetch_row(_BY_EMAIL, email=email)
    return None if row is None else user_of(row)


async def by_emails(connection: Connection, emails: Collection[str]) -> Mapping[str, User]:
    rows = await connection.fetch(_BY_EMAILS, emails=list(emails)) if emails else ()
    return {row["email"]: user_of(row) for row in rows}


async def count_unverified(connection: Connection, email: str) -> int:
    unverified = select(func.count()).where(users.c.email == email, users.c.verified_at.is_(None))
    count: int = await connection.fetch_value(unverified)
    return count


async def by_username(connection: Connection, username: str) -> User | None:
    row = await connection.fetch_row(_BY_USERNAME, name=username.lower())
    return None if row is None else user_of(row)


async def candidates(connection: Connection, login: str) -> Sequence[User]:
    """The verified user of that address or username, or else the unverified ones, oldest first."""
    if "@" in login:
        rows = await connection.fetch(_CANDIDATES_BY_EMAIL, email=login)
    else:
        rows = await connection.fetch(_CANDIDATES_BY_USERNAME, name=login.lower())
    candidates = sorted(map(user_of, rows), key=lambda user: (not user.verified, user.id))
    return candidates[:1] if candidates and candidates[0].verified else candidates


async def unverified_hash(connection: Connection, email: str, username: str | None, *, alone: bool) -> str | None:
    if alone:
        await lock_email(connection, email)
    row = await connection.fetch_row(_FIRST_HASH_BY_EMAIL, email=email)
    if row is None and username is not None:
        row = await connection.fetch_row(_FIRST_HASH_BY_USERNAME, name=username.lower())
    return None if row is None else row["password_hash"]


async def record_reset_links(connection: Connection, issued: Mapping[UUID, datetime]) -> None:
    if not issued:
        return
    locked = select(users.c.id).where(among(users.c.id, list(issued))).order_by(users.c.id).with_for_update()
    for user_id in await connection.fetch_column(locked):
        at = func.greatest(users.c.reset_link_at, issued[user_id])
        await connection.execute(update(users).where(users.c.id == user_id).values(reset_link_at=at))
