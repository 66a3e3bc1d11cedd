"""Pages of users by an index scan, which reads only the rows that it returns."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, tuple_

from adapters.postgres.connection import Connection
from adapters.postgres.rows import user_of
from adapters.postgres.tables import email_order, username_key, users
from application.repositories import EMAIL_KEY, USERNAME_KEY, PageCursor, UserHit
from domain.role import Role


async def page(
    connection: Connection, *, query: str, role: Role | None, limit: int, after: PageCursor | None
) -> Sequence[UserHit]:
    if not query:
        everybody = select(users).where(users.c.deleted_at.is_(None)).order_by(users.c.id).limit(limit)
        everybody = everybody if after is None else everybody.where(users.c.id > after.id)
        everybody = everybody if role is None else everybody.where(users.c.role == role.value)
        return [UserHit(user_of(row)) for row in await connection.fetch(everybody)]
    found: list[UserHit] = []
    if after is None or after.key.startswith(EMAIL_KEY):
        found += await _walk(connection, EMAIL_KEY, query, role=role, limit=limit, after=after)
        after = None
    # Users already found by address are skipped here: with a condition in the statement the planner would read all
    # rows, and there are at most as many as were found already.
    while len(found) < limit:
        walked = await _walk(connection, USERNAME_KEY, query, role=role, limit=limit, after=after)
        found += [it for it in walked if not it.user.email.startswith(query)]
        if len(walked) < limit:
            break
        after = PageCursor(walked[-1].user.id, walked[-1].key)
    return found[:limit]


async def _walk(
    connection: Connection, kind: str, query: str, *, role: Role | None, limit: int, after: PageCursor | None
) -> Sequence[UserHit]:
    """Scans one index from the cursor on."""
    key: Any = email_order if kind == EMAIL_KEY else username_key
    start = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    walk = select(users, key.label("key")).where(key.like(start)).order_by(key, users.c.id).limit(limit)
    walk = walk if after is None else walk.where(tuple_(key, users.c.id) > tuple_(after.key[1:], after.id))
    walk = walk if role is None else walk.where(users.c.role == role.value)
    return [UserHit(user_of(row), kind + row["key"]) for row in await connection.fetch(walk)]
