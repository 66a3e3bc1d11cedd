"""`GET /metrics`: the same from every process, bounded for any requests, and available during outages."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from dependency_injector import providers
from litestar import Litestar
from litestar.types import ASGIApp
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from adapters.postgres.database import Database
from adapters.postgres.outbox_backlog import PostgresBacklog
from entrypoints.container import Container, close
from entrypoints.http.app import assemble, create
from entrypoints.http.lifespan import report_hashing
from entrypoints.http.problem_types import CATALOGUE
from entrypoints.observability.health import DependencyProbe
from entrypoints.observability.metrics import BUCKETS, FILE_SIZE, MULTIPROCESS_DIR, Metrics
from entrypoints.settings import load
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import add_passkey, asked_for_factor, log_in_with, log_in_with_passkey
from tests.support.hash_gate import HashGate
from tests.support.in_process import inside
from tests.support.service import PASSWORD, Service, code, eventually, free_port, unique_email

Samples = dict[tuple[str, ...], float]


def samples(answer: httpx.Response) -> Samples:
    """Each value by the name of its metric and the values of its labels, in the order of the label names."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    values: Samples = {}
    for family in read_text(answer.text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, *(sample.labels[name] for name in sorted(sample.labels)))
            assert key not in values
            values[key] = sample.value
    return values


def scrape(service: Service) -> Samples:
    """On a new connection, and so from any process."""
    return samples(httpx.get(f"{service.url}/metrics", timeout=30))


def requests(samples_now: Samples, method: str, route: str, status: int) -> float:
    return samples_now.get(("latchkey_http_requests_total", method, route, str(status)), 0)


# -- what is counted -----------------------------------------------------------------------------------


def test_requests_are_counted_by_method_route_and_status_and_timed(service: Service) -> None:
    client = service.member()
    before = scrape(service)
    for _ in range(3):
        client.get("/v1/me")
    client.get("/v1/users")
    client.get("/v1/users/01900000-0000-7000-8000-000000000000")
    client.get("/v1/nowhere")
    client.put("/v1/me")
    after = scrape(service)
    for method, route, status, more in (
        ("GET", "/v1/me", 200, 3),
        ("GET", "/v1/users", 403, 1),
        ("GET", "/v1/users/{user_id}", 403, 1),
        ("GET", "-", 404, 1),
        ("PUT", "-", 405, 1),
        ("GET", "/metrics", 200, 1),
    ):
        assert requests(after, method, route, status) - requests(before, method, route, status) == more, route
    name = "latchkey_http_request_duration_seconds"
    buckets = [after[f"{name}_bucket", bound, "GET", "/v1/me"] for bound in (*map(str, BUCKETS), "+Inf")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == after[f"{name}_count", "GET", "/v1/me"] >= 3
    assert after[f"{name}_sum", "GET", "/v1/me"] > before.get((f"{name}_sum", "GET", "/v1/me"), 0)


def test_refusals_are_counted_by_code_and_logins_by_outcome(service: Service) -> None:
    client = service.member()
    before = scrape(service)
    for name in CATALOGUE:
        assert (
            "latchkey_errors_total",
            name,
        ) in before  # present from the start, so that the first increase is visible
    for _ in range(2):
        client.log_in(client.email)
    client.post("/v1/login", json={"login": client.email, "password": "wrong"})
    client.post("/v1/login", json={"login": client.email})
    client.post("/v1/login", content=b"{}")
    client.get("/health/live", headers={"Host": "a@b"})
    client.get("/v1/login")
    httpx.get(f"{service.url}/v1/me")
    after = scrape(service)
    assert {key: after[key] - before.get(key, 0) for key in after if key[0] == "latchkey_logins_total"} | {} == {
        **{key: 0 for key in before if key[0] == "latchkey_logins_total"},
        ("latchkey_logins_total", "success"): 2,
        ("latchkey_logins_total", "invalid_credentials"): 1,
        ("latchkey_logins_total", "malformed"): 1,
        ("latchkey_logins_total", "unsupported_media_type"): 1,
    }
    grown = {key[1]: after[key] - before[key] for key in before if key[0] == "latchkey_errors_total"}
    assert {name: number for name, number in grown.items() if number} == {
        **{"invalid_credentials": 1, "malformed": 2, "unsupported_media_type": 1},
        **{"method_not_allowed": 1, "token_missing": 1},
    }


def test_refused_forms_of_links_are_counted_by_code(service: Service) -> None:
    client = service.member()
    client.post("/v1/password/forgot", json={"email": client.email})
    form = {"token": service.token(client.email), "new_password": "short", "confirm_password": "short"}
    before = scrape(service)
    assert client.post("/reset", data=form).status_code == 422
    assert client.post("/verify", data={"email": "no address"}).status_code == 422
    after = scrape(service)
    for name in ("password_weak", "email_invalid"):
        assert after["latchkey_errors_total", name] - before["latchkey_errors_total", name] == 1, name


def test_logins_with_factors_are_counted_by_outcome(service: Service) -> None:
    client, device = service.member(), SoftwareAuthenticator(origin=service.url)
    codes = add_passkey(client, device)["recovery_codes"]
    before = scrape(service)
    log_in_with(service.client(), client.email, recovery_code=codes[0])
    log_in_with_passkey(service.client(), device)
    challenge = asked_for_factor(service.client(), client.email)["challenge"]
    client.post("/v1/login/factor", json={"challenge": challenge, "totp": "000000"})
    after = scrape(service)
    counted = {key[1]: after[key] - before.get(key, 0) for key in after if key[0] == "latchkey_logins_total"}
    expected = {"second_factor_required": 2, "success": 2, "factor_invalid": 1}
    assert {outcome: number for outcome, number in counted.items() if number} == expected


def test_outbox_metrics_show_pending_mails_until_a_worker_starts(isolated_service: Service) -> None:
    isolated_service.start_api()
    names = ("latchkey_outbox_pending", "latchkey_outbox_parked", "latchkey_outbox_lag_seconds")
    oldest = "latchkey_outbox_oldest_age_seconds"
    assert [scrape(isolated_service)[name,] for name in (*names, oldest)] == [0, 0, 0, 0]
    for _ in range(3):
        isolated_service.client().post("/v1/password/forgot", json={"email": unique_email("waiting")})
    pending, parked, overdue = (scrape(isolated_service)[name,] for name in names)
    assert (pending, parked) == (3, 0)
    assert 0 < overdue < 60
    assert 0 < scrape(isolated_service)[oldest,] < 60
    isolated_service.start_worker()
    eventually(lambda: scrape(isolated_service)["latchkey_outbox_pending",] == 0)
    assert scrape(isolated_service)["latchkey_outbox_lag_seconds",] == scrape(isolated_service)[oldest,] == 0


@pytest.mark.anyio
async def test_running_and_waiting_hashes_are_shown(service: Service) -> None:
    gate = HashGate()

    def build(container: Container) -> ASGIApp:
        container.hasher.override(providers.Object(gate.hasher(threads=2)))
        return create(container)

    async with inside(service, build=build) as client:

        async def hashes() -> list[float]:
            values = samples(await client.get("/metrics"))
            return [values["latchkey_password_hashes", state] for state in ("running", "waiting")]

        assert await hashes() == [0, 0]
        login = {"login": unique_email(), "password": PASSWORD}
        logins = [asyncio.create_task(client.post("/v1/login", json=login)) for _ in range(5)]
        await gate.begun()
        await gate.begun()
        for _ in range(1000):
            if await hashes() == [2, 3]:
                break
        assert await hashes() == [2, 3]
        gate.free.set()
        assert {(await answered).status_code for answered in logins} == {401}
        assert await hashes() == [0, 0]


@pytest.mark.anyio
async def test_password_hashes_are_zero_after_a_process_has_stopped() -> None:
    metrics = Metrics()

    def states() -> list[float]:
        [gauge] = [metric for metric in metrics.collect() if metric.name == "latchkey_password_hashes"]
        return [sample.value for sample in gauge.samples]

    reporting = asyncio.create_task(report_hashing(lambda: (2, 5), metrics))
    for _ in range(1000):
        if states() == [2, 5]:
            break
        await asyncio.sleep(0.01)
    assert states() == [2, 5]
    reporting.cancel()
    await asyncio.wait({reporting})
    assert states() == [0, 0]


# -- processes -----------------------------------------------------------------------------------------


KEYS = "/.well-known/jwks.json"


def api_processes(parent: int, folder: Path) -> set[int] | None:
    """The two API processes that use that folder, once there are two."""
    pids = set()
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(parent).children():
            if any(it.path.startswith(str(folder)) for it in child.memory_maps()):
                pids.add(child.pid)
    return pids if len(pids) == 2 else None


def test_one_scrape_covers_all_processes_including_ended_ones(isolated_service: Service) -> None:
    isolated_service.environ |= {"LATCHKEY_PROCESSES": "2", "TMPDIR": str(isolated_service.folder)}
    api = isolated_service.start_api()
    [folder] = isolated_service.folder.glob("latchkey-*")
    assert folder.stat().st_mode & 0o777 == 0o700

    def ask(times: int) -> None:
        """Opens a new connection for each request, so that both processes get some."""
        for _ in range(times):
            httpx.get(f"{isolated_service.url}{KEYS}", timeout=30)

    def counts() -> set[float]:
        return {requests(scrape(isolated_service), "GET", KEYS, 200) for _ in range(12)}

    old = eventually(lambda: api_processes(api.process.pid, folder), within=120)
    ask(12)
    assert counts() == {12}
    files = set(folder.iterdir())
    dead = old.pop()
    os.kill(dead, signal.SIGKILL)
    assert counts() == {12}
    new = eventually(lambda: api_processes(api.process.pid, folder), within=120)
    assert old < new
    assert dead not in new
    ask(12)
    assert counts() == {24}
    assert set(folder.iterdir()) == files
    for path in files:
        path.unlink()  # as cleaners of temporary files do
    assert sum(counts()) > 0
    assert api.stop() == 0
    assert not folder.exists()


# -- what is never shown -------------------------------------------------------------------------------


def test_arbitrary_requests_add_no_series_and_no_personal_data(service: Service, application: Litestar) -> None:
    client = service.member()
    user_id = client.get("/v1/me").json()["id"]

    def ask(nonce: str) -> None:
        for path in (f"/{nonce}", f"/v1/{nonce}", f"/v1/users/{user_id}", f"/v1/users/{nonce}", f"/problems/{nonce}"):
            for method in ("GET", "PUT", "OPTIONS", "PROPFIND", "M-SEARCH"):
                client.request(method, path, headers={"User-Agent": nonce, "X-Request-ID": nonce})
        client.get(f"/verify?token={nonce}")
        client.post("/v1/login", json={"login": f"{nonce}@example.org", "password": nonce})
        client.get("/v1/me", headers={"Authorization": f"Bearer {nonce}"})

    ask("first")
    scrape(service)
    before = scrape(service)
    for _ in range(5):
        ask(f"n{os.urandom(6).hex()}")
    after = scrape(service)
    assert set(before) == set(after)
    assert requests(after, "other", "-", 404) + requests(after, "other", "-", 405) >= 20
    routes = {"-", *(path.template for path in application.state.paths)}
    for key in after:
        for value in key[1:]:
            assert value in routes or re.fullmatch(r"[A-Za-z_]+|[0-9.]+|\+Inf", value), key
    assert not [word for word in (user_id, client.email, "127.0.0.1") if word in str(after)]


# -- formats -------------------------------------------------------------------------------------------


def test_metrics_have_two_formats_and_no_parameters(service: Service) -> None:
    client = service.client()
    read: Callable[[str], Iterable[Metric]] = read_openmetrics  # untyped where it comes from
    for accept in (
        "application/openmetrics-text",
        "text/plain;version=0.0.4;q=0.5, Application/OpenMetrics-Text; version=1.0.0; charset=utf-8;q=0.6, */*;q=0.1",
        "application/openmetrics-text; version=x.y; escaping=nonsense",
    ):
        answer = client.get("/metrics", headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        families = {family.name: family for family in read(answer.text)}
        assert families["latchkey_http_requests"].type == "counter"
        assert families["latchkey_http_request_duration_seconds"].type == "histogram"
    for accept in ("", "*/*", "text/html", "text/plain; version=1.0.0", ",;q=,", "application/openmetrics-textual"):
        assert samples(client.get("/metrics", headers={"Accept": accept}))
    for query in ("name[]=latchkey_dependency_up", "name%5B%5D=x", "x", "=", "name[]=a&name[]=b"):
        assert code(client.get(f"/metrics?{query}")) == "malformed", query
        assert client.head(f"/metrics?{query}").status_code == 400
    head = client.head("/metrics")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert code(client.post("/metrics")) == "method_not_allowed"
    assert client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 200


# -- outages -------------------------------------------------------------------------------------------


def test_healthy_dependency_is_up(service: Service) -> None:
    values = scrape(service)
    assert (values["latchkey_dependency_up", "database"], values["latchkey_dependency_up", "redis"]) == (1, 1)


def test_missing_redis_is_shown_as_down(isolated_service: Service) -> None:
    isolated_service.environ["LATCHKEY_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    isolated_service.start_api()
    found = scrape(isolated_service)
    assert (found["latchkey_dependency_up", "database"], found["latchkey_dependency_up", "redis"]) == (1, 0)
    assert ("latchkey_outbox_pending",) in found


@pytest.mark.anyio
async def test_outbox_metrics_are_absent_without_the_database(service: Service) -> None:
    nowhere = f"postgresql://nobody:hunter2hunter2@127.0.0.1:{free_port()}/none"
    async with inside(service, LATCHKEY_DATABASE_URL=nowhere) as client:
        values = samples(await client.get("/metrics"))
        assert values["latchkey_dependency_up", "database"] == 0
        assert not [key for key in values if key[0].startswith("latchkey_outbox")]
        assert ("latchkey_errors_total", "unavailable") in values


@pytest.mark.anyio
async def test_silent_dependency_does_not_delay_the_page(service: Service) -> None:
    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await deaf.wait()
        writer.close()

    deaf = asyncio.Event()
    async with await asyncio.start_server(never, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        database = Database(f"postgresql://nobody:x@127.0.0.1:{port}/none", deadline=60)
        backlog = PostgresBacklog(database, clock=lambda: pytest.fail("there is nothing to reckon with"))
        container = Container(settings=load({**service.environ, "LATCHKEY_REDIS_URL": f"redis://127.0.0.1:{port}"}))
        dependency_probe = DependencyProbe(backlog, container.blocklist(), deadline=0.05)
        async with asyncio.timeout(20):
            for _ in range(3):
                assert await dependency_probe.probe() == ({"database": False, "redis": False}, None)
        deaf.set()
        await close(container)
        await backlog._shared.drain()
        await database.close()


TOKEN = "0123456789abcdef-._~+/=="


@pytest.mark.anyio
async def test_metrics_require_their_token_if_set(service: Service) -> None:
    member = service.member().headers["authorization"]
    async with inside(service, LATCHKEY_METRICS_TOKEN=TOKEN) as client:
        for header, status, name in (
            (None, 401, "token_missing"),
            ("Basic eDp4", 401, "token_missing"),
            (f"Bearer {TOKEN[:-1]}", 401, "token_invalid"),
            (f"Bearer {TOKEN}x", 401, "token_invalid"),
            ("Bearer \xff", 401, "token_invalid"),
            (member, 401, "token_invalid"),
            (f"Bearer {TOKEN}", 200, ""),
            (f"bearer {TOKEN}", 200, ""),
        ):
            headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
            for method in ("GET", "HEAD"):
                answer = await client.request(method, "/metrics", headers=headers)
                assert answer.status_code == status, header
                assert ("latchkey_http_requests_total" in answer.text) == (status == 200 and method == "GET")
                assert status == 200 or method == "HEAD" or answer.json()["code"] == name
                assert status == 200 or answer.headers["www-authenticate"].startswith("Bearer")
    async with inside(service) as client:
        assert (await client.get("/metrics")).status_code == 200


# -- the files of several processes ------------------------------------------------------------------------

EVERYTHING = """
import json
import sys
from entrypoints.http.problem_types import CATALOGUE
from entrypoints.observability.metrics import STATUSES, Metrics

calls = [tuple(call) for call in json.loads(sys.argv[1])]
metrics = Metrics(calls)
for method, route in calls:
    for status in STATUSES:
        metrics.count_request(method, route, status, seconds=0.01, refusal=None)
for code in CATALOGUE:
    metrics.count_request("POST", "/v1/login", 400, seconds=0.01, refusal=code)
metrics.set_hashing(1, 2)
print(sum(len(metric.samples) for metric in metrics.collect()))
"""


@pytest.fixture
def calls(service: Service) -> Iterator[list[tuple[str, str]]]:
    """Every method of every route."""
    container = Container(settings=load(service.environ))
    yield [(method, path.template) for path in assemble(container).state.paths for method in path.methods]
    asyncio.run(close(container))


def count_everything(
    calls: list[tuple[str, str]], folder: Path, before: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs in a separate process, because a process chooses the folder of its metrics once."""
    return subprocess.run(
        [sys.executable, "-c", before + EVERYTHING, json.dumps(calls)],
        env={**os.environ, MULTIPROCESS_DIR: str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_metrics_files_are_allocated_at_the_start_and_do_not_grow(
    tmp_path: Path, calls: list[tuple[str, str]]
) -> None:
    folder = tmp_path / "removed-by-a-cleaner"
    for _ in range(2):  # the second process takes over the files of the first
        done = count_everything(calls, folder)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) > 1000
        files = {file.name: file.stat() for file in folder.glob("*.db")}
        assert set(files) == {"counter_0.db", "gauge_sum_0.db", "histogram_0.db"}
        for name, status in files.items():
            assert status.st_size == FILE_SIZE, name
            assert status.st_blocks * 512 >= FILE_SIZE, f"{name} is sparse: a full disk would kill the process"


def test_process_takes_over_metrics_files_that_have_grown(tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    assert count_everything(calls, tmp_path).returncode == 0
    with (tmp_path / "histogram_0.db").open("ab") as file:
        file.write(bytes(FILE_SIZE))
    done = count_everything(calls, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_process_counts_in_its_own_memory_if_the_disk_is_full(tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    done = count_everything(calls, tmp_path, f"{full}\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("metrics_per_process") == 1
    assert int(done.stdout.splitlines()[-1]) > 1000
