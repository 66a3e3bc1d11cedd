"""From a setting to an engine, with deadlines on everything."""

from collections.abc import Generator
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.postgres.failovers import Failovers
from adapters.postgres.places import behind_pgbouncer, driver_url
from adapters.postgres.prepared import Record

POOL = 10
"""Connections that a process opens at most."""

DEADLINE = 1.5
"""Seconds that anything asked of the database may take, however many statements it is: an outage is told in two."""


def make_engine(
    url: str, *, pool_size: int = POOL, deadline: float = 2.0, application: str = "latchkey"
) -> AsyncEngine:
    """`deadline` bounds, in seconds, a connection, a statement and the wait for a place in the pool."""
    parsed, arguments = driver_url(url)
    # A day has 24 hours, whatever clock the server lives by.
    settings = {"application_name": application} | arguments.pop("server_settings") | {"timezone": "UTC"}
    if not behind_pgbouncer(url):  # which takes no other
        # What a server, a database or a role may set otherwise, and statements rely on. Reading only is left to them:
        # that is how a server says that it takes no writes.
        settings["default_transaction_isolation"] = "read committed"
        settings["default_transaction_deferrable"] = "off"
        settings["lock_timeout"] = "0"
        # The server has timeouts too, so that locks do not outlive a process that was killed, stopped or cut off.
        settings["statement_timeout"] = str(round(deadline * 1000))
        settings["idle_in_transaction_session_timeout"] = str(round(5 * deadline * 1000))
    engine = create_async_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=deadline,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # an error that is logged must not tell what was stored
        connect_args={
            "timeout": deadline,
            "command_timeout": deadline,
            "server_settings": settings,
            "record_class": Record,
            "async_creator_fn": _Opening,
            **arguments,
        },
    )
    event.listen(engine.sync_engine.pool, "invalidate", _hang_up)
    Failovers(engine)
    return engine


class _Opening:
    """Starts when it is awaited: where waiting is not allowed (`lending.py`), nothing has started."""

    def __init__(self, *place: Any, **arguments: Any) -> None:
        self._place, self._arguments = place, arguments

    def __await__(self) -> Generator[Any, None, Any]:
        opening: Generator[Any, None, Any] = asyncpg.connect(*self._place, **self._arguments).__await__()
        return opening


def _hang_up(connection: DBAPIConnection, *_: object) -> None:
    """Close a broken connection without waiting for its server."""
    driver: Any = connection
    driver.driver_connection.terminate()
