"""Which failures of the database are outages, to be tried again, and which are our own mistakes.

An outage is logged once when it begins and once when it is over, however many calls fail.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.postgres.errors import FAILURES, READ_ONLY, is_disconnect, sqlstate
from domain.refusals import too_slow, unavailable

# SQLSTATE classes: connection, no entry, no such database, rollback (deadlock, serialisation), resources,
# intervention, system; and read-only, lock not available.
_PASSING = ("08", "25P03", "25P04", "28", "3D", "40", "53", "57", "58", READ_ONLY, "55P03")
# A conflict with another transaction: the database is up.
_IN_TURN = ("40", "55P03")

_TIMED_OUT = "57014"
"""SQLSTATE query_canceled: a statement that took too long, which a database says that answers."""

QUIET = 5.0
"""Seconds without a failure after which an outage is over: one in which some are served is logged no more often."""

log = logging.getLogger(__name__)


class _Watch:
    """Logs an outage, by the names of its error alone: a text may hold addresses and parameters."""

    def __init__(self, *, quiet: float = QUIET) -> None:
        self._quiet = quiet
        self._failed: float | None = None
        self._answered = self._slow = -math.inf

    def slow(self, error: Exception, *, began: float) -> bool:
        """Whether a statement took too long although the database is up: the database says so, or it has answered
        another call since the statement began. Logged as rarely as an outage."""
        timed_out = isinstance(error, TimeoutError) and self._answered > began
        if not timed_out and sqlstate(error) != _TIMED_OUT:
            return False
        if time.monotonic() >= self._slow + self._quiet:
            log.warning("statement_timed_out", extra={"seconds": round(time.monotonic() - began, 1)})
        self._slow = time.monotonic()
        return True

    def failed(self, error: Exception) -> None:
        if self._failed is None:
            facts = {"problem": type(error).__name__, "sqlstate": sqlstate(error)}
            log.error("database_unavailable", extra={name: it for name, it in facts.items() if it})
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
    except FAILURES as error:
        state = sqlstate(error) or ""
        # A time that ran out is an OSError too.
        if not (isinstance(error, OSError) or is_disconnect(error) or state.startswith(_PASSING)):
            raise
        if watch.slow(error, began=began):
            raise too_slow() from error
        if not state.startswith(_IN_TURN):
            watch.failed(error)
        raise unavailable("The database") from error
    else:
        watch.answered()
