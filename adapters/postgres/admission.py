"""Many users at once: who has their addresses and names already, and a place for the rest, in a few statements."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, any_, case, func, literal, select

from adapters.postgres.connection import Connection
from adapters.postgres.rows import among_texts, insert_all, row_of_user, user_of
from adapters.postgres.tables import arrivals, events, username_key, users
from application.store import Standing
from domain.event import Action
from domain.user import User

GiveWay = Callable[[Sequence[UUID]], Awaitable[None]]
"""Remove the claims among these users, if they are claims still, with all that hangs on them."""

_IMPORTS = 0x696D706F7274
"""The number of a lock that nothing else takes."""


async def standing(connection: Connection, emails: Collection[str]) -> Mapping[str, Standing]:
    everybody = (await _everybody_at(connection, emails)).values()
    first = (next((it for it in met if it.user.verified or it.imported_at), None) for met in everybody)
    return {it.user.email: it for it in first if it is not None}


async def brought(connection: Connection, emails: Collection[str]) -> Collection[str]:
    by_digest = {_digest(email): email for email in emails}
    asked = select(arrivals.c.digest).where(arrivals.c.digest == any_(literal(list(by_digest), ARRAY(LargeBinary))))
    return {by_digest[digest] for digest in await connection.fetch_column(asked)}


async def admit(
    connection: Connection, newcomers: Sequence[User], *, give_way: GiveWay, now: datetime
) -> Sequence[User]:
    # One import after another, so that each sees the claims of those before it, and none waits in a circle.
    await connection.execute(select(func.pg_advisory_xact_lock(_IMPORTS)))
    admitted: list[User] = []
    left = newcomers
    # Again with those whose address or name was verified since we looked, which is rare.
    for _ in range(3):
        emails = [user.email for user in left]
        met, before = await _everybody_at(connection, emails), await brought(connection, emails)
        left = [user for user in left if _may_come(user, met.get(user.email, ()), before=user.email in before)]
        if not left:
            break
        if rivals := [it.user.id for user in left if user.verified for it in met.get(user.email, ())]:
            await give_way(rivals)
        named = await _without_taken_names(connection, left)
        came = await _make_room_for(connection, named, now=now)
        await _remember(connection, came)
        admitted += came
        inside = {user.id for user in came}
        left = [user for user in left if user.id not in inside]
    return admitted


async def _everybody_at(connection: Connection, emails: Collection[str]) -> Mapping[str, Sequence[Standing]]:
    """By address: its verified user, or else the newest claim."""
    # An import is the first thing that happens to whom it brings, so one event tells, however many there are.
    imported_at = (
        select(case((events.c.action == Action.IMPORTED.value, events.c.created_at)))
        .where(events.c.user_id == users.c.id)
        .order_by(events.c.id)
        .limit(1)
        .scalar_subquery()
    )
    first = users.c.email, users.c.verified_at.is_(None), users.c.id.desc()
    met = select(users, imported_at.label("imported_at")).where(among_texts(users.c.email, emails)).order_by(*first)
    standings = [Standing(user_of(row), row["imported_at"]) for row in await connection.fetch(met)]
    return {email: list(theirs) for email, theirs in groupby(standings, lambda standing: standing.user.email)}


def _may_come(newcomer: User, standings: Sequence[Standing], *, before: bool) -> bool:
    """Who came `before` and is not there any more has left, or moved, and is not brought back."""
    imported = any(it.imported_at is not None for it in standings)
    return not any(it.user.verified for it in standings) and (newcomer.verified if imported else not before)


async def _remember(connection: Connection, users: Sequence[User]) -> None:
    if users:
        rows = [{"id": user.id, "digest": _digest(user.email)} for user in users]
        await connection.execute(insert_all(arrivals, rows).on_conflict_do_nothing())


def _digest(email: str) -> bytes:
    return sha256(email.encode()).digest()


async def _without_taken_names(connection: Connection, newcomers: Sequence[User]) -> Sequence[User]:
    """The same users without usernames that belong to verified users, among themselves too."""
    names = {user.username.lower() for user in newcomers if user.username is not None}
    proven = select(username_key).where(among_texts(username_key, names), users.c.verified_at.is_not(None))
    taken = set(await connection.fetch_column(proven)) if names else set()
    named = []
    for user in newcomers:
        name = (user.username or "").lower()
        named.append(replace(user, username=None) if name in taken else user)
        if name and user.verified:
            taken.add(name)
    return named


async def _make_room_for(connection: Connection, newcomers: Sequence[User], *, now: datetime) -> Sequence[User]:
    """The users that were inserted; for the others, another user has just verified the address or name."""
    rows = [
        {
            **row_of_user(user),
            "verified_at": now if user.verified else None,
            "disabled_at": now if user.disabled else None,
        }
        for user in newcomers
    ]
    inserted = insert_all(users, rows).on_conflict_do_nothing().returning(users.c.id)
    ids = set(await connection.fetch_column(inserted))
    return [user for user in newcomers if user.id in ids]
