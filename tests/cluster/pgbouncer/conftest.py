"""Whoever asks for a place gets one behind PgBouncer."""

from collections.abc import Iterator

import pytest

from tests.entrypoints.conftest import Places, apart, running, service
from tests.support.pgbouncer import PgBouncer

__all__ = ["apart", "running", "service"]


class Behind:
    def __init__(self, places: Places) -> None:
        self._places = places
        self.bouncer = PgBouncer(places()[0])

    def __call__(self) -> tuple[str, str]:
        database_url, redis_url = self._places()
        return self.bouncer.through(database_url), redis_url


@pytest.fixture(scope="session", name="places")
def places_behind(places: Places) -> Iterator[Behind]:
    behind = Behind(places)
    yield behind
    behind.bouncer.end()


@pytest.fixture
def bouncer(places: Behind) -> PgBouncer:
    return places.bouncer
