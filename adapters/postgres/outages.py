"""Which failures of the database are outages, to be tried again, and which are our own mistakes.

An outage is told once when it begins and once when it is over, however many callers it turns away.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from adapters.postgres.failovers import READ_ONLY, lost
from domain.refusals import too_slow, unavailable

# SQLSTATE classes: connection, no entry, no such database, rollback (deadlock, serialisation), resources,
# intervention, system; and read-only, lock not available.
_PASSING = ("08", "25P03", "25P04", "28", "3D", "40", "53", "57", "58", READ_ONLY, "55P03")
# A conflict with another transaction: the database is up.
_IN_TURN = ("40", "55P03")

UNFIT = (ProgrammingError, asyncpg.SyntaxOrAccessError)
"""What is raised where a statement and the schema do not fit: SQLAlchemy's word, and the driver's."""

_TIMED_OUT = "57014"
"""SQLSTATE query_canceled: a statement that took too long, which a database says that answers."""

QUIET = 5.0
"""Seconds without a failure after which an outage is over: one in which some are served is told no more often."""

log = logging.getLogger(__name__)


class _Watch:
    """Tells an outage, by the names of its error alone: a text may hold addresses and parameters."""

    def __init__(self, *, quiet: float = QUIET) -> None:
        self._quiet = quiet
        self._failed: float | None = None
        self._answered = self._slow = -math.inf

    def slow(self, error: Exception, *, began: float) -> bool:
        """Whether a statement took too long although the database is up: the database says so, or it has answered
        another call since the statement began. Logged as rarely as an outage."""
        timed_out = isinstance(error, (TimeoutError, PoolTimeout)) and self._answered > began
        if not timed_out and _sqlstate(error) != _TIMED_OUT:
            return False
        if time.monotonic() >= self._slow + self._quiet:
            log.warning("statement_timed_out", extra={"seconds": round(time.monotonic() - began, 1)})
        self._slow = time.monotonic()
        return True

    def failed(self, error: Exception) -> None:
        if self._failed is None:
            cause = getattr(getattr(error, "orig", None), "__cause__", None) or error
            told = {"problem": type(cause).__name__, "sqlstate": _sqlstate(error)}
            log.error("database_unavailable", extra={name: it for name, it in told.items() if it})
        self._failed = time.monotonic()

    def answered(self) -> None:
        self._answered = time.monotonic()
        if self._failed is not None and time.monotonic() >= self._failed + self._quiet:
            log.warning("database_recovered")
            self._failed = None


watch = _Watch()
"""Of this process."""


@contextmanager
def outages_as_refusals() -> Iterator[None]:
    """Outages become the refusal `unavailable`; anything else passes."""
    began = time.monotonic()
    try:
        yield
    except (PoolTimeout, OSError) as error:  # a time that ran out is an OSError too
        if watch.slow(error, began=began):
            raise too_slow() from error
        watch.failed(error)
        raise unavailable("The database") from error
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        state = _sqlstate(error)
        if _lost(error) or state.startswith(_PASSING):
            if watch.slow(error, began=began):
                raise too_slow() from error
            if not state.startswith(_IN_TURN):
                watch.failed(error)
            raise unavailable("The database") from error
        raise
    else:
        watch.answered()


def _lost(error: Exception) -> bool:
    """Whether the connection is, as SQLAlchemy says it or the driver."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return lost(error)


def _sqlstate(error: Exception) -> str:
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""
