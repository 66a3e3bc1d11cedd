"""Users by their address or username: the verified one, or else those who have merely registered it."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, func, select, union
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.prepared import Prepared
from adapters.postgres.rows import holder_first, user_of
from adapters.postgres.tables import address_changes, username_key, users
from domain.user import User

# Displaced from its former address by its owner, with a pending change to this one: more than a claim.
ON_THEIR_WAY = (
    select(address_changes.c.id)
    .where(
        address_changes.c.user_id == users.c.id,
        address_changes.c.new_email == users.c.email,
        address_changes.c.confirmed_at.is_(None),
    )
    .exists()
)

_BY_EMAIL = Prepared(holder_first(select(users).where(users.c.email == bindparam("email"))))
_BY_EMAILS = Prepared(
    select(users)
    .ext(distinct_on(users.c.email))
    .where(users.c.email == any_(bindparam("emails", type_=ARRAY(Text))))
    .order_by(users.c.email, users.c.verified_at.is_(None), users.c.id.desc())
)
MOST = 50
"""A login compares the hashes of the first 50 and the last 50 unverified users of a name."""


def _candidates(named: ColumnElement[bool]) -> Prepared:
    verified_first = users.c.verified_at.is_(None)
    halves = [
        select(users).where(named).order_by(verified_first, order).limit(MOST).subquery()
        for order in (users.c.id, users.c.id.desc())
    ]
    return Prepared(union(*(select(half) for half in halves)))


def _first_hash(named: ColumnElement[bool]) -> Prepared:
    unverified = select(users.c.password_hash).where(named, users.c.verified_at.is_(None))
    return Prepared(unverified.order_by(users.c.id).limit(1))


_named = username_key == bindparam("name")
_CANDIDATES_BY_EMAIL = _candidates(users.c.email == bindparam("email"))
_CANDIDATES_BY_USERNAME = _candidates(_named)
_FIRST_HASH_BY_EMAIL = _first_hash(users.c.email == bindparam("email"))
_FIRST_HASH_BY_USERNAME = _first_hash(_named)
_ONE_AFTER_ANOTHER = Prepared(select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("email"), 0))))
_BY_USERNAME = Prepared(holder_first(select(users).where(username_key == bindparam("name"))))


async def by_email(connection: AsyncConnection, email: str) -> User | None:
    row = await _BY_EMAIL.row(connection, email=email)
    return None if row is None else user_of(row)


async def by_emails(connection: AsyncConnection, emails: Collection[str]) -> Mapping[str, User]:
    found = await _BY_EMAILS.rows(connection, emails=list(emails)) if emails else ()
    return {row.email: user_of(row) for row in found}


async def claims(connection: AsyncConnection, email: str) -> int:
    theirs = select(func.count()).where(users.c.email == email, users.c.verified_at.is_(None))
    return (await connection.execute(theirs)).scalar_one()


async def by_username(connection: AsyncConnection, username: str) -> User | None:
    row = await _BY_USERNAME.row(connection, name=username.lower())
    return None if row is None else user_of(row)


async def candidates(connection: AsyncConnection, login: str) -> Sequence[User]:
    """The verified user of that address or username, or else those who have registered it, the first first."""
    if "@" in login:
        rows = await _CANDIDATES_BY_EMAIL.rows(connection, email=login)
    else:
        rows = await _CANDIDATES_BY_USERNAME.rows(connection, name=login.lower())
    found = sorted(map(user_of, rows), key=lambda user: (not user.verified, user.id))
    return found[:1] if found and found[0].verified else found


async def rival_hash(connection: AsyncConnection, email: str, username: str | None, *, alone: bool) -> str | None:
    if alone:
        await _ONE_AFTER_ANOTHER.row(connection, email=email)
    row = await _FIRST_HASH_BY_EMAIL.row(connection, email=email)
    if row is None and username is not None:
        row = await _FIRST_HASH_BY_USERNAME.row(connection, name=username.lower())
    return None if row is None else row.password_hash
