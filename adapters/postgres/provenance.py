"""Provenance of users whose row does not name it: 0.2.0 inserted them after the migration.

Until the worker has filled it in, it is derived from the event of that insert. This module, the index
`ix_users_unknown_provenance` and the NULLs go when 0.2.0 is no longer served.
"""

from sqlalchemy import ColumnElement, Select, case, func, select, update

from adapters.postgres.connection import Connection
from adapters.postgres.rows import among
from adapters.postgres.tables import events, users
from domain.audit import EventType
from domain.user import Provenance

_SOURCES = {EventType.IMPORTED.value: Provenance.IMPORT.value, EventType.CREATED.value: Provenance.OPERATOR.value}
_unknown = users.c.provenance.is_(None)


def _recorded(value: ColumnElement[object]) -> ColumnElement[object]:
    recorded = select(value).where(events.c.user_id == users.c.id, events.c.action.in_(list(_SOURCES)))
    return recorded.order_by(events.c.id).limit(1).scalar_subquery()


provenance = func.coalesce(
    users.c.provenance, _recorded(case(_SOURCES, value=events.c.action)), Provenance.SELF.value
)
imported_at = case(
    (_unknown, _recorded(case((events.c.action == EventType.IMPORTED.value, events.c.created_at)))),
    else_=users.c.imported_at,
)


def select_users() -> Select[tuple[object, ...]]:
    """Every column of `users`, with the provenance known."""
    known = {"provenance": provenance.label("provenance"), "imported_at": imported_at.label("imported_at")}
    return select(*(known.get(column.name, column) for column in users.c))


async def fill_in(connection: Connection, *, limit: int) -> bool:
    """Fill in the provenance of up to `limit` users that are not locked. True if more may be left."""
    unknown = select(users.c.id).where(_unknown).order_by(users.c.id).limit(limit).with_for_update(skip_locked=True)
    ids = await connection.fetch_column(unknown)
    if ids:
        known = {"provenance": provenance, "imported_at": imported_at}
        await connection.execute(update(users).where(among(users.c.id, ids)).values(known))
    return len(ids) == limit
