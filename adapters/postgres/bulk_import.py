"""Bulk import: inserts many users in a few statements. Skips taken addresses, and drops taken usernames."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, any_, func, literal, select

from adapters.postgres.connection import Connection
from adapters.postgres.provenance import select_users
from adapters.postgres.rows import among_texts, insert_all, row_of_user, user_of
from adapters.postgres.tables import import_digests, username_key, users
from domain.user import User

RemoveUnverified = Callable[[Sequence[UUID]], Awaitable[None]]
"""Remove those of these users who are still unverified, with all that belongs to them."""

_IMPORTS = 0x696D706F7274
"""Key of the advisory lock that serializes imports."""


async def owners_of(connection: Connection, emails: Collection[str]) -> Mapping[str, User]:
    users_by_email = await _users_by_email(connection, emails)
    owners = (next((user for user in users if user.owns_email), None) for users in users_by_email.values())
    return {user.email: user for user in owners if user is not None}


async def previously_imported(connection: Connection, emails: Collection[str]) -> Collection[str]:
    by_digest = {_digest(email): email for email in emails}
    digests = any_(literal(list(by_digest), ARRAY(LargeBinary)))
    known = select(import_digests.c.digest).where(import_digests.c.digest == digests)
    return {by_digest[digest] for digest in await connection.fetch_column(known)}


async def bulk_insert(
    connection: Connection, imported: Sequence[User], *, remove_unverified: RemoveUnverified, now: datetime
) -> Sequence[User]:
    # Imports run one after another, so that each sees the users of those before it and none deadlock.
    await connection.execute(select(func.pg_advisory_xact_lock(_IMPORTS)))
    inserted: list[User] = []
    remaining = imported
    # Retry the rare users whose address or name was verified by another user since the query.
    for _ in range(3):
        emails = [user.email for user in remaining]
        present = await _users_by_email(connection, emails)
        before = await previously_imported(connection, emails)
        remaining = [
            user
            for user in remaining
            if _is_importable(user, present.get(user.email, ()), before=user.email in before)
        ]
        if not remaining:
            break
        if rivals := [rival.id for user in remaining if user.verified for rival in present.get(user.email, ())]:
            await remove_unverified(rivals)
        added = await _insert(connection, await _without_taken_names(connection, remaining), now=now)
        await _record_digests(connection, added)
        inserted += added
        ids = {user.id for user in added}
        remaining = [user for user in remaining if user.id not in ids]
    return inserted


async def _users_by_email(connection: Connection, emails: Collection[str]) -> Mapping[str, Sequence[User]]:
    """All users of each address: the verified one first, then the unverified ones, newest first."""
    order = users.c.email, users.c.verified_at.is_(None), users.c.id.desc()
    rows = await connection.fetch(select_users().where(among_texts(users.c.email, emails)).order_by(*order))
    return {email: list(group) for email, group in groupby(map(user_of, rows), lambda user: user.email)}


def _is_importable(user: User, present: Sequence[User], *, before: bool) -> bool:
    """A user who was imported `before` and is no longer present was deleted or changed their address, and is not
    imported again."""
    if any(other.verified for other in present):
        return False
    return user.verified if any(other.owns_email for other in present) else not before


async def _record_digests(connection: Connection, inserted: Sequence[User]) -> None:
    if inserted:
        rows = [{"id": user.id, "digest": _digest(user.email)} for user in inserted]
        await connection.execute(insert_all(import_digests, rows).on_conflict_do_nothing())


def _digest(email: str) -> bytes:
    return sha256(email.encode()).digest()


async def _without_taken_names(connection: Connection, imported: Sequence[User]) -> Sequence[User]:
    """The users without usernames that belong to another verified user, in the database or among themselves."""
    names = {user.username.lower() for user in imported if user.username is not None}
    verified = select(username_key).where(among_texts(username_key, names), users.c.verified_at.is_not(None))
    taken_names = set(await connection.fetch_column(verified)) if names else set()
    named = []
    for user in imported:
        name = (user.username or "").lower()
        named.append(replace(user, username=None) if name in taken_names else user)
        if name and user.verified:
            taken_names.add(name)
    return named


async def _insert(connection: Connection, imported: Sequence[User], *, now: datetime) -> Sequence[User]:
    """The users that were inserted. For the others, another user has just verified the address or name."""
    rows = [
        {
            **row_of_user(user),
            "verified_at": now if user.verified else None,
            "disabled_at": now if user.disabled else None,
        }
        for user in imported
    ]
    inserted = insert_all(users, rows).on_conflict_do_nothing().returning(users.c.id)
    ids = set(await connection.fetch_column(inserted))
    return [user for user in imported if user.id in ids]
