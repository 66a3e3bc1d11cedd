"""A server that is down, or answers but refuses writes (a standby during a failover): connections that were open when
this was noticed are not used again, so that other calls do not fail too."""

import math
import time
from typing import Any

import asyncpg
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

READ_ONLY = "25006"
"""SQLSTATE read_only_sql_transaction."""

_OVER = ("08", "57P", READ_ONLY)
"""SQLSTATE: the connection, the server, its writing."""

_OPENED, _FAILOVERS = "opened", "failovers"


class Failovers:
    """Of one engine. The pool notices by itself what SQLAlchemy is told; `noticed` is for who asks the driver."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._noticed = -math.inf
        event.listen(engine.sync_engine, "connect", self._opened)
        event.listen(engine.sync_engine, "checkout", self._taken)
        event.listen(engine.sync_engine, "handle_error", self._failed)

    def noticed(self, error: BaseException) -> None:
        """Look whether it is one."""
        if lost(error) or (isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith(_OVER)):
            self._noticed = time.monotonic()

    def _opened(self, _: Any, entry: ConnectionPoolEntry) -> None:
        entry.info.update({_OPENED: time.monotonic(), _FAILOVERS: self})

    def _taken(self, connection: Any, entry: ConnectionPoolEntry, *_: Any) -> None:
        if entry.info[_OPENED] <= self._noticed or connection.driver_connection.is_closed():
            raise DisconnectionError  # the pool opens another one

    def _failed(self, context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
            context.is_disconnect = True


def lost(error: BaseException) -> bool:
    """Whether the driver has lost its server."""
    return isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError))


def failovers_of(connection: AsyncConnection) -> Failovers:
    found: Failovers = opened(connection).info[_FAILOVERS]
    return found


def opened(connection: AsyncConnection) -> Connection:
    """What is inside of one that has been opened."""
    inside = connection.sync_connection
    if inside is None:
        raise RuntimeError("the connection was not opened")
    return inside
