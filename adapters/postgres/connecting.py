"""From a setting to an engine: whatever spelling of a PostgreSQL URL people have, with deadlines on everything."""

from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

POOL = 10
"""Connections that a process opens at most."""

DEADLINE = 1.5
"""Seconds that anything asked of the database may take, however many statements it is: an outage is told in two."""


def driver_url(url: str) -> tuple[URL, dict[str, Any]]:
    """`postgres://` and libpq's `sslmode` are understood too. Raises ValueError for anything but PostgreSQL."""
    try:
        parsed = make_url(url)
    except Exception as error:
        raise ValueError("not a database URL") from error
    if parsed.drivername not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError("not a PostgreSQL URL")
    query = dict(parsed.query)
    arguments: dict[str, Any] = {}
    if "sslmode" in query:
        arguments["ssl"] = query.pop("sslmode")
    return parsed.set(drivername="postgresql+asyncpg", query=query), arguments


def make_engine(
    url: str, *, pool_size: int = POOL, deadline: float = 2.0, application: str = "latchkey"
) -> AsyncEngine:
    """`deadline` bounds, in seconds, a connection, a statement and the wait for a place in the pool."""
    parsed, arguments = driver_url(url)
    engine = create_async_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=deadline,
        pool_recycle=1800,
        hide_parameters=True,  # an error that is logged must not tell what was stored
        connect_args={
            "timeout": deadline,
            "command_timeout": deadline,
            "server_settings": {
                "application_name": application,
                # A day has 24 hours, whatever clock the server lives by.
                "timezone": "UTC",
                # The server gives up too, so that nobody's locks outlive whoever was killed, stopped or cut off.
                "statement_timeout": str(round(deadline * 1000)),
                "idle_in_transaction_session_timeout": str(round(5 * deadline * 1000)),
            },
            **arguments,
        },
    )
    event.listen(engine.sync_engine.pool, "invalidate", _hang_up)
    return engine


def _hang_up(connection: DBAPIConnection, *_: object) -> None:
    """Whoever gave up on a connection has waited long enough: nobody waits for its server to say goodbye."""
    driver: Any = connection
    driver.driver_connection.terminate()
