"""What an error of the driver means for its connection and for the others."""

import asyncpg

READ_ONLY = "25006"
"""SQLSTATE read_only_sql_transaction."""

_SERVER_GONE = ("08", "57P", READ_ONLY)
"""SQLSTATE classes of the connection and of the server, and the answer of a standby to a write."""

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""All errors that connecting or a statement may raise."""

SCHEMA_MISMATCH = asyncpg.SyntaxOrAccessError
"""Raised when a statement does not fit the schema."""


def is_answer(error: BaseException) -> bool:
    """Whether the server sent the error. The driver raises some of these types by itself in mid-statement."""
    return isinstance(error, asyncpg.PostgresError) and error.severity is not None


def is_disconnect(error: BaseException) -> bool:
    return isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError))


def is_failover(error: BaseException) -> bool:
    """Whether other connections are likely to fail as well, because their server is gone or takes no writes."""
    return is_disconnect(error) or (sqlstate(error) or "").startswith(_SERVER_GONE)


def sqlstate(error: BaseException) -> str | None:
    return error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
