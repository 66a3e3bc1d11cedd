"""Two API processes on Redis while its primary fails over, because it is killed or paused for too long."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from uuid import uuid4

import httpx
import pytest
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed

from adapters.redis.dramatiq_queue import QUEUE, DramatiqNudge, make_broker
from entrypoints.cli.doctor.findings import State
from entrypoints.cli.doctor.redis import check_redis
from entrypoints.factories import now
from entrypoints.settings import load as settings_of
from tests.support.cluster_nodes import PASSWORD, Cluster, Fleet, Sentinels
from tests.support.cluster_users import Pair, load
from tests.support.service import DatabaseFactory, Service, code, eventually

HEALED = 20.0
"""Seconds from the failure of a master until the last process trusts the next one, on a busy machine. Sentinels or
nodes agree within five; a lease and a renewal are two more."""

_numbers = itertools.count(1)


class PairOnFleet(Pair):
    def __init__(self, service: Service, fleet: Fleet) -> None:
        super().__init__(service)
        self.fleet = fleet


@pytest.fixture(scope="module", params=[Sentinels, Cluster])
def fleet_pair(
    request: pytest.FixtureRequest, databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PairOnFleet]:
    fleet: Fleet = request.param(tmp_path_factory.mktemp("fleet"))
    service = Service(tmp_path_factory.mktemp("service"), databases()[0], fleet.url, processes=1)
    service.environ |= {"LATCHKEY_RATE_LIMITS": "on", "LATCHKEY_TRUSTED_PROXIES": "127.0.0.1"}
    service.environ["LATCHKEY_PUBLIC_URL"] = "http://accounts.example.org"  # two ports, one issuer
    try:
        eventually(fleet.whole, within=60)
        yield PairOnFleet(service, fleet)
    finally:
        service.close_clients()
        service.stop()
        fleet.end()


@pytest.fixture
def pair(fleet_pair: PairOnFleet) -> Iterator[PairOnFleet]:
    eventually(fleet_pair.fleet.whole, within=60)
    fleet_pair.wait()
    yield fleet_pair
    fleet_pair.service.close_clients()


async def guess_passwords(pair: PairOnFleet, times: int) -> Counter[str]:
    """The codes of concurrent logins with wrong passwords for one account, at both processes."""
    login, forwarded = pair.service.user("victim"), {"X-Forwarded-For": f"198.18.{next(_numbers)}.1"}
    async with httpx.AsyncClient(headers=forwarded, timeout=60) as client:
        body = {"login": login, "password": "not the passphrase at all"}
        calls = (client.post(f"{pair.apis[number % 2].url}/v1/login", json=body) for number in range(times))
        return Counter(map(code, await asyncio.gather(*calls)))


def assert_exact_limits(pair: PairOnFleet) -> None:
    codes = asyncio.run(guess_passwords(pair, 30))
    # If the machine is too busy to check a password, that attempt is refunded.
    assert 10 - codes["overloaded"] <= codes["invalid_credentials"] <= 10
    assert codes["rate_limited"] >= 20 - codes["overloaded"]


def test_a_logout_takes_effect_and_limits_are_exact_across_processes(pair: PairOnFleet) -> None:
    email = pair.service.user("member")
    for number in range(10):
        here, there = pair.apis[number % 2], 1 - number % 2
        member = pair.service.client(here.url).log_in(email)
        token = member.pair["access_token"]
        assert pair.me(token, there).status_code == 200
        assert member.post("/v1/logout").status_code == 204
        assert pair.me(token, there).status_code == 401
        assert pair.me(token, 1 - there).status_code == 401
    assert_exact_limits(pair)


@pytest.mark.anyio
async def test_doctor_finds_no_problem(pair: PairOnFleet) -> None:
    findings = [it async for it in check_redis(settings_of(pair.service.environ), now)]
    assert len(findings) > 2
    assert [str(it) for it in findings if it.state is not State.OK] == []
    assert PASSWORD not in str(findings)


def assert_nudge_arrives(nudge: DramatiqNudge, broker: RedisBroker) -> None:
    """Notify workers until one receives it; a notification lost during a failover costs a second at most."""

    def nudge_arrives() -> bool:
        nudge([uuid4()])
        with suppress(ConnectionClosed):
            return next(broker.consume(QUEUE)) is not None
        return False

    eventually(nudge_arrives)


def test_killed_master_that_returns_with_old_data_revives_no_session(pair: PairOnFleet) -> None:
    fleet = pair.fleet
    nudge, broker = DramatiqNudge(fleet.url), make_broker(fleet.url, deadline=2.0)
    assert_nudge_arrives(nudge, broker)
    with load(pair) as people:
        people.go_on(20)
        died = monotonic()
        fleet.owner.kill()
        eventually(fleet.swapped, within=HEALED)
        pair.wait(within=HEALED)
        print(f"healed in {monotonic() - died:.1f} s")
        assert monotonic() - died < HEALED
        assert_nudge_arrives(nudge, broker)
        people.go_on(20)
        fleet.swap()
        fleet.spare.start()
        people.go_on(20)
        eventually(fleet.whole, within=60)
        people.go_on(20)
        pair.wait()
    assert_exact_limits(pair)
    nudge.close()
    broker.client.close()


def test_paused_master_that_resumes_revives_no_session(pair: PairOnFleet) -> None:
    fleet = pair.fleet
    with load(pair) as people:
        people.go_on(20)
        fell_silent = monotonic()
        fleet.owner.pause()
        try:
            eventually(fleet.swapped, within=HEALED)
            pair.wait(within=HEALED)
            print(f"healed in {monotonic() - fell_silent:.1f} s")
            assert monotonic() - fell_silent < HEALED
            people.go_on(20)
        finally:
            fleet.owner.resume()
        fleet.swap()
        people.go_on(20)
        eventually(fleet.whole, within=60)
        people.go_on(20)
        pair.wait()
    assert_exact_limits(pair)
