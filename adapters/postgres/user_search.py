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
        all_users = select(users).where(users.c.deleted_at.is_(None)).order_by(users.c.id).limit(limit)
        all_users = all_users if after is None else all_users.where(users.c.id > after.id)
        all_users = all_users if role is None else all_users.where(users.c.role == role.value)
        return [UserHit(user_of(row)) for row in await connection.fetch(all_users)]
    hits: list[UserHit] = []
    if after is None or after.key.startswith(EMAIL_KEY):
        hits += await _scan(connection, EMAIL_KEY, query, role=role, limit=limit, after=after)
        after = None
    # Users already found by address are skipped here: with a condition in the statement the planner would read all
    # rows, and there are at most as many as were found already.
    while len(hits) < limit:
        scanned = await _scan(connection, USERNAME_KEY, query, role=role, limit=limit, after=after)
        hits += [hit for hit in scanned if not hit.user.email.startswith(query)]
        if len(scanned) < limit:
            break
        after = PageCursor(scanned[-1].user.id, scanned[-1].key)
    return hits[:limit]


async def _scan(
    connection: Connection, kind: str, query: str, *, role: Role | None, limit: int, after: PageCursor | None
) -> Sequence[UserHit]:
    """Scans one index from the cursor on."""
    key: Any = email_order if kind == EMAIL_KEY else username_key
    start = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    walk = select(users, key.label("key")).where(key.like(start)).order_by(key, users.c.id).limit(limit)
    walk = walk if after is None else walk.where(tuple_(key, users.c.id) > tuple_(after.key[1:], after.id))
    walk = walk if role is None else walk.where(users.c.role == role.value)
    return [UserHit(user_of(row), kind + row["key"]) for row in await connection.fetch(walk)]
