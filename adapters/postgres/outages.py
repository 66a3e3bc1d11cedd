"""Tells outages of the database, which clients may retry, from programming errors.

An outage is logged once when it begins and once when it is over, however many calls fail.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.postgres.errors import FAILURES, READ_ONLY, is_disconnect, sqlstate
from domain.messages import translatable
from domain.refusals import too_slow, unavailable

# SQLSTATE classes: connection, no entry, no such database, rollback (deadlock, serialisation), resources,
# intervention, system; and read-only, lock not available.
_TRANSIENT = ("08", "25P03", "25P04", "28", "3D", "40", "53", "57", "58", READ_ONLY, "55P03")
# A conflict with another transaction: the database is up.
_CONFLICT = ("40", "55P03")

_TIMED_OUT = "57014"
"""SQLSTATE query_canceled: the server is up and cancelled a statement that took too long."""

RECOVERY_SECONDS = 5.0
"""Seconds without a failure after which an outage counts as over, so that a partial outage is logged once too."""

log = logging.getLogger(__name__)


class _OutageLog:
    """Logs outages by the type and SQLSTATE of the error: its text may contain addresses and parameters."""

    def __init__(self, *, recovery_seconds: float = RECOVERY_SECONDS) -> None:
        self._recovery_seconds = recovery_seconds
        self._failed: float | None = None
        self._answered = self._slow = -math.inf

    def is_timeout(self, error: Exception, *, started_at: float) -> bool:
        """Whether a statement took too long although the database is up: the database says so, or it has answered
        another call since the statement began. Logs it as rarely as an outage."""
        timed_out = isinstance(error, TimeoutError) and self._answered > started_at
        if not timed_out and sqlstate(error) != _TIMED_OUT:
            return False
        if time.monotonic() >= self._slow + self._recovery_seconds:
            log.warning("statement_timed_out", extra={"seconds": round(time.monotonic() - started_at, 1)})
        self._slow = time.monotonic()
        return True

    def record_failure(self, error: Exception) -> None:
        if self._failed is None:
            facts = {"problem": type(error).__name__, "sqlstate": sqlstate(error)}
            log.error("database_unavailable", extra={name: value for name, value in facts.items() if value})
        self._failed = time.monotonic()

    def record_success(self) -> None:
        self._answered = time.monotonic()
        if self._failed is not None and time.monotonic() >= self._failed + self._recovery_seconds:
            log.warning("database_recovered")
            self._failed = None


outage_log = _OutageLog()
"""The outage log of this process."""


@contextmanager
def outages_as_refusals() -> Iterator[None]:
    """Turns outages, timeouts and conflicts with other transactions into the refusal `unavailable`. Only outages are
    logged as such. Other errors pass."""
    started_at = time.monotonic()
    try:
        yield
    except FAILURES as error:
        state = sqlstate(error) or ""
        # TimeoutError is an OSError too.
        if not (isinstance(error, OSError) or is_disconnect(error) or state.startswith(_TRANSIENT)):
            raise
        if outage_log.is_timeout(error, started_at=started_at):
            raise too_slow() from error
        if not state.startswith(_CONFLICT):
            outage_log.record_failure(error)
        raise unavailable(translatable("The database")) from error
    else:
        outage_log.record_success()
