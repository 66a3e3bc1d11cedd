"""Whether a user is logged in from a network."""

from datetime import datetime

from sqlalchemy import ColumnElement, Text, bindparam, cast, exists, func, select
from sqlalchemy.dialects.postgresql import INET

from adapters.postgres.connection import Connection
from adapters.postgres.rows import holder_first
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import sessions, username_key, users


def _known_from(named: ColumnElement[bool]) -> CompiledStatement:
    """One statement with one answer, so that its time reveals neither the user nor their sessions."""
    holder = holder_first(select(users.c.id).where(named)).scalar_subquery()
    newest = (
        select(sessions.c.ip, sessions.c.ended_at, sessions.c.expires_at)
        .where(sessions.c.user_id == holder)
        .order_by(sessions.c.id.desc())
        .limit(50)
        .subquery()
    )
    inside = cast(func.nullif(newest.c.ip, ""), INET).op("<<=")(cast(bindparam("network", type_=Text), INET))
    return CompiledStatement(
        select(exists().where(newest.c.ended_at.is_(None), newest.c.expires_at > bindparam("now"), inside))
    )


_KNOWN_BY_EMAIL = _known_from(users.c.email == bindparam("name"))
_KNOWN_BY_USERNAME = _known_from(username_key == bindparam("name"))


async def has_session_in_network(connection: Connection, login: str, network: str, *, now: datetime) -> bool:
    """See `Sessions.has_session_in_network`."""
    statement, name = (_KNOWN_BY_EMAIL, login) if "@" in login else (_KNOWN_BY_USERNAME, login.lower())
    return bool(await connection.fetch_value(statement, name=name, network=network, now=now))
