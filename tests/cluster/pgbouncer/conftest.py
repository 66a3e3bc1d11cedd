"""`databases` behind PgBouncer."""

from collections.abc import Iterator

import pytest

from tests.support.pgbouncer import DatabasesBehindPgBouncer, PgBouncer
from tests.support.service import DatabaseFactory


@pytest.fixture(scope="session", name="databases")
def databases_behind_pgbouncer(databases: DatabaseFactory) -> Iterator[DatabasesBehindPgBouncer]:
    behind = DatabasesBehindPgBouncer(databases)
    yield behind
    behind.bouncer.end()


@pytest.fixture
def bouncer(databases: DatabasesBehindPgBouncer) -> PgBouncer:
    return databases.bouncer
