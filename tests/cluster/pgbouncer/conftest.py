"""`databases` behind PgBouncer."""

from collections.abc import Iterator

import pytest

from tests.entrypoints.conftest import DatabaseFactory, isolated_service, service, shared_service
from tests.support.pgbouncer import PgBouncer

__all__ = ["isolated_service", "service", "shared_service"]


class DatabasesBehindPgBouncer:
    def __init__(self, databases: DatabaseFactory) -> None:
        self._databases = databases
        self.bouncer = PgBouncer(databases()[0])

    def __call__(self) -> tuple[str, str]:
        database_url, redis_url = self._databases()
        return self.bouncer.through(database_url), redis_url


@pytest.fixture(scope="session", name="databases")
def databases_behind_pgbouncer(databases: DatabaseFactory) -> Iterator[DatabasesBehindPgBouncer]:
    behind = DatabasesBehindPgBouncer(databases)
    yield behind
    behind.bouncer.end()


@pytest.fixture
def bouncer(databases: DatabasesBehindPgBouncer) -> PgBouncer:
    return databases.bouncer
