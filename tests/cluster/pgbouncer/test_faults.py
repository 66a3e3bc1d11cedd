"""PgBouncer is paused, reloaded, killed, and loses its server connections, under load."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from entrypoints.cli.doctor.database import check_database
from entrypoints.cli.doctor.findings import State
from entrypoints.factories import now
from entrypoints.settings import load as settings_of
from tests.entrypoints.conftest import migrate
from tests.support.cluster_users import Pair, load
from tests.support.pgbouncer import PgBouncer
from tests.support.service import DatabaseFactory, Service

HEALED = 10.0
"""Seconds until every request succeeds again."""


@pytest.fixture(scope="module")
def pair(databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    service = Service(tmp_path_factory.mktemp("service"), *databases(), processes=1)
    service.environ["LATCHKEY_PUBLIC_URL"] = "http://accounts.example.org"  # two ports, one issuer
    try:
        yield Pair(service)
    finally:
        service.close_clients()
        service.stop()


def pause(bouncer: PgBouncer) -> None:
    """Pause for longer than the deadline of the database."""
    bouncer.tell("PAUSE")
    time.sleep(3)
    bouncer.tell("RESUME")


def kill(bouncer: PgBouncer) -> None:
    bouncer.kill()
    time.sleep(1)
    bouncer.start()


def reload_settings(bouncer: PgBouncer) -> None:
    bouncer.tell("RELOAD")


def reconnect(bouncer: PgBouncer) -> None:
    bouncer.tell("RECONNECT")


def drop_server_connections(bouncer: PgBouncer) -> None:
    for _ in range(3):
        bouncer.hang_up()


@pytest.mark.parametrize("fault", [reload_settings, reconnect, drop_server_connections, pause, kill])
def test_pgbouncer_faults_cause_503_and_lose_and_revive_nothing(
    pair: Pair, bouncer: PgBouncer, fault: Callable[[PgBouncer], None]
) -> None:
    with load(pair) as people:
        people.go_on(10)
        fault(bouncer)
        mended = time.monotonic()
        pair.wait(within=HEALED)
        print(f"healed in {time.monotonic() - mended:.1f} s")
        people.go_on(20)


def test_two_migrations_run_concurrently_through_pgbouncer(bouncer: PgBouncer) -> None:
    url = bouncer.empty_database()
    with ThreadPoolExecutor(2) as deployments:
        for deployment in [deployments.submit(migrate, url) for _ in range(2)]:
            deployment.result()


@pytest.mark.anyio
async def test_doctor_reports_parameters_that_pgbouncer_drops(pair: Pair) -> None:
    findings = [it async for it in check_database(settings_of(pair.service.environ), now)]
    assert [it.state for it in findings if "statement_timeout" in str(it)] == [State.WARNING]
    assert not [it for it in findings if it.state is State.ERROR and "fsync" not in str(it)]
