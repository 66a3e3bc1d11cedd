"""Which failures of the database are outages, to be tried again, and which are our own mistakes."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from adapters.postgres.connecting import READ_ONLY
from domain.refusals import unavailable

# SQLSTATE classes: connection, no entry, no such database, rollback (deadlock, serialisation), resources,
# intervention, system; and read-only, lock not available.
_PASSING = ("08", "28", "3D", "40", "53", "57", "58", READ_ONLY, "55P03")


@contextmanager
def outages_as_refusals() -> Iterator[None]:
    """Outages become the refusal `unavailable`; anything else passes."""
    try:
        yield
    except (PoolTimeout, OSError) as error:  # a time that ran out is an OSError too
        raise unavailable("The database") from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        lost = error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
        if lost or state.startswith(_PASSING):
            raise unavailable("The database") from error
        raise
