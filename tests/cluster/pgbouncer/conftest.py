"""Whoever asks for a place gets one behind PgBouncer."""

from collections.abc import Iterator

import pytest

from tests.entrypoints.conftest import DatabaseFactory, isolated_service, service, shared_service
from tests.support.pgbouncer import PgBouncer

__all__ = ["isolated_service", "service", "shared_service"]


class Behind:
    def __init__(self, databases: DatabaseFactory) -> None:
        self._places = databases
        self.bouncer = PgBouncer(databases()[0])

    def __call__(self) -> tuple[str, str]:
        database_url, redis_url = self._places()
        return self.bouncer.through(database_url), redis_url


@pytest.fixture(scope="session", name="places")
def places_behind(databases: DatabaseFactory) -> Iterator[Behind]:
    behind = Behind(databases)
    yield behind
    behind.bouncer.end()


@pytest.fixture
def bouncer(databases: Behind) -> PgBouncer:
    return databases.bouncer
