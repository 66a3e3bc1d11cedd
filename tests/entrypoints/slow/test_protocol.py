"""Limits of the HTTP server for one client: request size, pipelined requests, time and connections."""

import asyncio
import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, Self

import psutil
import pytest
from uvicorn import Config, Server

from entrypoints.http import connections, protocol
from entrypoints.http.draining import DrainingHttpProtocol
from tests.support.service import ROOT, DatabaseFactory, Service, eventually, free_port

MIB = 2**20
HEAD = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
GET = HEAD + b"\r\n"
LAST = HEAD + b"Connection: close\r\n\r\n"
LOGIN = json.dumps({"login": "nobody@example.org", "password": "no password of anybody"}).encode()
JSON = b"POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = JSON + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "header lines": (HEAD, b"X-A: b\r\n" * 8192, 431),
    "long header lines": (HEAD, b"X-A: " + b"b" * 2000 + b"\r\n", 431),
    "a header": (HEAD + b"X-A: ", b"x" * 65_536, 431),
    "a header's name": (HEAD, b"x" * 65_536, 431),
    "a target": (b"GET /", b"x" * 65_536, 414),
    "a query": (b"GET /v1/me?", b"x" * 65_536, 414),
    "blank lines": (b"", b"\r\n" * 32_768, 431),
    "trailers": (CHUNKED + b"%x\r\n%s\r\n0\r\n" % (len(LOGIN), LOGIN), b"X-A: b\r\n" * 8192, 431),
    "a trailer": (CHUNKED + b"%x\r\n%s\r\n0\r\nX-A: " % (len(LOGIN), LOGIN), b"x" * 65_536, 431),
    "a chunk extension": (CHUNKED + b"1;", b"x" * 65_536, 431),
    "chunk extensions": (CHUNKED, b"1;" + b"x" * 4096 + b"\r\n \r\n", 431),
}
"""The beginning of a request, the bytes that are repeated after it, and the status of the response."""


@pytest.fixture(scope="module")
def api(databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("protocol"), *databases(), processes=1)
    try:
        made.start_api()
        yield made
    finally:
        made.stop()


def resident_mib(service: Service) -> float:
    return psutil.Process(service.parts()[0].pid).memory_info().rss / MIB


def connect(service: Service, seconds: float = 30) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), seconds)


def received(connection: socket.socket) -> bytes:
    """All bytes until the server closes the connection."""
    answer = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answers)]


def flood(connection: socket.socket, piece: bytes, most: int) -> int:
    """How many bytes the server accepted before it closed the connection, at most `most`."""
    sent = 0
    with suppress(ConnectionError):
        while sent < most:
            sent += connection.send(piece)
    return sent


def answered(service: Service) -> bool:
    with connect(service) as other:
        other.sendall(LAST)
        return statuses(received(other)) == [200]


# -- size ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ENDLESS)
def test_endless_request_is_refused_early(api: Service, what: str) -> None:
    begin, endless, status = ENDLESS[what]
    assert answered(api)
    before = resident_mib(api)
    with connect(api) as connection, ThreadPoolExecutor(1) as elsewhere:
        connection.sendall(begin)
        answer = elsewhere.submit(received, connection)
        assert flood(connection, endless, 20 * MIB) < 20 * MIB
        head, _, body = answer.result().partition(b"\r\n\r\n")
    assert resident_mib(api) < before + 4
    assert statuses(head) == [status]
    assert b"connection: close" in head.lower()
    assert b"content-type: application/problem+json" in head.lower()
    document = json.loads(body)
    assert (document["code"], document["status"], document["type"]) == ("too_large", status, "/problems/too_large")
    assert answered(api)


def test_refusals_of_the_server_are_logged_and_counted(api: Service) -> None:
    with connect(api) as connection:
        connection.sendall(HEAD + b"X-A: " + b"x" * 20_000 + b"\r\n\r\n")
        head = received(connection)
    name = head.lower().split(b"x-request-id: ")[1].split(b"\r\n")[0].decode()
    log = api.folder.joinpath("api.log")
    line = eventually(lambda: [line for line in log.read_text().splitlines() if name in line])[0]
    assert all(word in line for word in ("431", "too_large", "127.0.0.1"))
    with connect(api) as connection:
        connection.sendall(LAST.replace(b"/health/live", b"/metrics"))
        metrics = received(connection).decode()
    assert 'latchkey_http_requests_total{method="GET",route="-",status="431"}' in metrics


def test_head_with_too_many_lines_is_refused_once(api: Service) -> None:
    log = api.folder.joinpath("api.log")
    before = len(log.read_text())
    with connect(api) as connection:
        connection.sendall(HEAD + b"X-A: b\r\n" * 100 + b"\r\n")
        assert statuses(received(connection)) == [431]
    assert answered(api)
    eventually(lambda: "too_large" in log.read_text()[before:])
    written = log.read_text()[before:]
    assert written.count("too_large") == 1
    assert "internal_error" not in written


def test_invalid_http_gets_a_problem_document(api: Service) -> None:
    for request in (b"EHLO x\r\n", HEAD + b"no colon\r\n\r\n", CHUNKED + b"zz\r\n"):
        with connect(api) as connection:
            connection.sendall(request)
            head, _, body = received(connection).partition(b"\r\n\r\n")
        assert statuses(head) == [400], request
        assert json.loads(body)["code"] == "malformed"


def test_head_within_the_limits_is_accepted(api: Service) -> None:
    for headers in (b"X-A: " + b"x" * 15_000 + b"\r\n", b"X-A: b\r\n" * 98):
        with connect(api) as connection:
            connection.sendall(HEAD + headers + b"Connection: close\r\n\r\n")
            assert statuses(received(connection)) == [200]


def test_a_request_in_single_bytes_is_served(api: Service) -> None:
    with connect(api) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in CHUNKED.replace(b"Host", b"Connection: close\r\nHost"):
            connection.sendall(bytes([byte]))
        for byte in LOGIN:
            connection.sendall(b"1\r\n%c\r\n" % byte)
        connection.sendall(b"0\r\n\r\n")
        assert statuses(received(connection)) == [401]


def test_trailers_are_not_treated_as_headers(api: Service) -> None:
    with connect(api) as connection:
        request = CHUNKED.replace(b"Content-Type: application/json\r\n", b"Connection: close\r\n")
        body = b"%x\r\n%s\r\n0\r\nContent-Type: application/json\r\n\r\n" % (len(LOGIN), LOGIN)
        connection.sendall(request + body)
        assert statuses(received(connection)) == [415]


@pytest.mark.parametrize("name", [b"Upgrade", b"upgrade"])
def test_upgrade_to_http2_is_ignored(api: Service, name: bytes) -> None:
    """Java's HttpClient offers HTTP/2 with its first request."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\n%s: h2c\r\nHTTP2-Settings: AAEAAEAAAAIA\r\n" % name
    with connect(api) as connection:
        connection.sendall(JSON + offer + b"Content-Length: %d\r\n\r\n%s" % (len(LOGIN), LOGIN) + LAST)
        assert statuses(received(connection)) == [401, 200]


@pytest.mark.parametrize("at", range(1, 60))
def test_upgrade_to_http2_is_ignored_wherever_the_head_is_split(api: Service, at: int) -> None:
    """If a body were parsed as a request, its response would go to another client whose request a proxy sends next
    on the same connection."""
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(GET)
    head += b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with connect(api) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head[:-at])
        time.sleep(0.01)
        connection.sendall(head[-at:] + GET + LAST)
        assert statuses(received(connection)) == [404, 200]


def test_upgrade_to_http2_after_a_body_is_ignored(api: Service) -> None:
    offer = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    post = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
    with connect(api) as connection:
        connection.sendall(post % 3 + b"\r\na")
        time.sleep(0.01)
        connection.sendall(b"bc" + post % len(GET) + offer + b"\r\n" + GET + LAST)
        assert statuses(received(connection)) == [404, 404, 200]


@pytest.mark.parametrize("at", range(4))
def test_body_that_resembles_headers_is_a_body(api: Service, at: int) -> None:
    """Also if the end of the head and the body are parsed in one chunk of 4 KiB."""
    body = b"\nUpgrade:" * ((len(GET) + 1) // 2) + GET.rjust(len(GET) + len(GET) % 2, b"\n")
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nX-A: " % len(body)
    head = head.ljust(4096 - 4 + at, b"a") + b"\r\n\r\n"
    with connect(api) as connection:
        connection.sendall(head + body + LAST)
        assert statuses(received(connection)) == [404, 200]


def test_tunnels_are_refused(api: Service) -> None:
    with connect(api) as connection:
        connection.sendall(b"CONNECT /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" + LAST)
        assert statuses(received(connection)) == [400]


# -- pipelining ----------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order_with_bounded_memory(api: Service) -> None:
    many = 10_000
    pipelined = GET * 8 + HEAD.replace(b"/health/live", b"/nowhere") + b"\r\n" + GET
    before, most = resident_mib(api), 0.0
    with connect(api) as connection, ThreadPoolExecutor(1) as elsewhere:
        sending = elsewhere.submit(connection.sendall, pipelined * (many // 10 - 1) + GET * 9 + LAST)
        for _ in range(5):
            assert answered(api)
            most = max(most, resident_mib(api))
        found = statuses(received(connection))
        sending.result()
    assert found == ([200] * 8 + [404, 200]) * (many // 10 - 1) + [200] * 10
    assert max(most, resident_mib(api)) < before + 8


def test_pipelined_bodies_reach_their_requests(api: Service) -> None:
    refused = JSON + b"Content-Length: 2\r\n\r\n{}"
    login = JSON + b"Content-Length: %d\r\n\r\n%s" % (len(LOGIN), LOGIN)
    chunked = CHUNKED + b"3\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (LOGIN[:3], len(LOGIN) - 3, LOGIN[3:])
    with connect(api) as connection:
        connection.sendall((refused + login + chunked + GET) * 5 + LAST)
        assert statuses(received(connection)) == [400, 401, 401, 200] * 5 + [200]


def test_endless_request_after_others_is_refused_after_their_responses(api: Service) -> None:
    login = JSON + b"Content-Length: %d\r\n\r\n%s" % (len(LOGIN), LOGIN)
    for begin, endless, status in ENDLESS.values():
        if begin:
            with connect(api) as connection:
                connection.sendall(login + begin + (endless * 20)[: MIB // 2])
                assert statuses(received(connection)) == [401, status], begin


def test_flood_does_not_lose_the_responses_to_earlier_requests(api: Service) -> None:
    login = JSON + b"Content-Length: %d\r\n\r\n%s" % (len(LOGIN), LOGIN)
    with connect(api) as connection, ThreadPoolExecutor(1) as elsewhere:
        connection.sendall(login + HEAD)
        answers = elsewhere.submit(received, connection)
        assert flood(connection, b"X-A: b\r\n" * 8192, 20 * MIB) < 20 * MIB
        assert statuses(answers.result()) == [401, 431]


def test_pipelined_requests_wait_if_the_client_does_not_read(api: Service) -> None:
    before = resident_mib(api)
    with connect(api, 1) as connection:
        with pytest.raises(TimeoutError):
            flood(connection, GET * 1000, 100 * MIB)
        assert answered(api)
        assert resident_mib(api) < before + 8


# -- connections ---------------------------------------------------------------------------------------


def test_silent_connections_do_not_exhaust_file_descriptors(isolated_service: Service) -> None:
    """There are more of them than the soft limit allowed at the start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        api = isolated_service.start_api()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        assert psutil.Process(api.process.pid).rlimit(psutil.RLIMIT_NOFILE) == (hard, hard)
        before = resident_mib(isolated_service)
        with ExitStack() as silent:
            for _ in range(1100):
                silent.enter_context(connect(isolated_service))
            assert all(answered(isolated_service) for _ in range(10))
            assert resident_mib(isolated_service) < before + 40
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_silent_connections_do_not_exhaust_a_low_hard_limit_of_files(isolated_service: Service) -> None:
    program = ["sh", "-c", 'ulimit -n 256 && exec "$0" -m entrypoints.api', sys.executable]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (
        subprocess.Popen(program, cwd=ROOT, env={**os.environ, **isolated_service.environ}) as api,
        ExitStack() as silent,
    ):
        try:
            eventually(lambda: reachable(isolated_service) and answered(isolated_service), within=60)
            for _ in range(1100):
                silent.enter_context(connect(isolated_service))
            assert all(answered(isolated_service) for _ in range(10))
            assert psutil.Process(api.pid).num_fds() < 200
        finally:
            api.kill()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def reachable(service: Service) -> bool:
    with suppress(OSError), connect(service):
        return True
    return False


class SmallServer:
    """The HTTP server with smaller limits, and an application that waits at `/slow` until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.disconnected = threading.Event()
        options: dict[str, Any] = {"interface": "asgi3", "lifespan": "on", "ws": "none", "log_config": None}
        config = Config(self._app, port=free_port(), http=DrainingHttpProtocol, loop="uvloop", **options)
        self.port = config.port
        self.server = Server(config)
        self._thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: self.server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self.server.should_exit = self.server.force_exit = True
        self._thread.join()

    def connect(self, client: str = "127.0.0.1", *, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), 30, (client, 0))
        connection.sendall(sent)
        return connection

    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def answered(self, client: str = "127.0.0.1") -> bool:
        with self.connect(client, sent=LAST) as connection:
            return statuses(received(connection)) == [200]

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["is_proxy"] = lambda ip: ip == "127.0.0.9"
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["method"] == "POST":
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                return
        if scope["path"] == "/slow":
            await asyncio.to_thread(self.release.wait)
        big = scope["path"] == "/big"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100 if big else 1):
            await send({"type": "http.response.body", "body": b"x" * (MIB if big else 1), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallServer]:
    for name in ("HEAD_SECONDS", "REQUEST_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(protocol, name, 1.0)
    monkeypatch.setattr(protocol, "_TICK", 0.1)
    monkeypatch.setattr(connections, "connection_limit", lambda: 40)
    with SmallServer() as made:
        yield made


SLOW = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"


def test_one_client_cannot_take_all_connections(small: SmallServer) -> None:
    with ExitStack() as silent:
        for _ in range(60):
            silent.enter_context(small.connect("127.0.0.2"))
        assert small.answered("127.0.0.3"), "connections are accepted in order, so all others are open by now"
        assert small.connections() <= 11
        assert small.answered("127.0.0.2"), "the oldest connection of the same client is closed"


def test_many_clients_cannot_take_all_connections(small: SmallServer) -> None:
    with ExitStack() as silent:
        for number in range(200):
            silent.enter_context(small.connect(f"127.0.1.{number % 100}"))
        assert small.answered()
        assert small.connections() <= 40


def test_trusted_proxy_may_have_all_connections(small: SmallServer) -> None:
    with ExitStack() as lines:
        for _ in range(30):
            lines.enter_context(small.connect("127.0.0.9"))
        eventually(lambda: small.connections() == 30)
        assert small.answered("127.0.0.9")


def test_requests_in_progress_keep_their_connections(small: SmallServer) -> None:
    with ExitStack() as lines:
        working = [lines.enter_context(small.connect(sent=SLOW)) for _ in range(10)]
        eventually(lambda: len(small.server.server_state.tasks) == 10)
        for _ in range(20):
            with suppress(ConnectionError):  # all connections of this client are busy
                lines.enter_context(small.connect(sent=GET))
        assert small.answered("127.0.0.2")
        small.release.set()
        assert all(statuses(line.recv(1000)) == [200] for line in working)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="silent"),
        pytest.param(GET, id="idle"),
        pytest.param(b"GET", id="a method"),
        pytest.param(b"\r\n", id="a blank line"),
        pytest.param(HEAD + b"X-A", id="a header"),
        pytest.param(BODY, id="no body"),
        pytest.param(BODY + b"x", id="a part of a body"),
        pytest.param(GET + b"GET", id="a second method"),
        pytest.param(GET + b"\r\n", id="a blank line after a request"),
        pytest.param(GET + BODY, id="no second body"),
    ],
)
def test_stalled_client_is_disconnected(small: SmallServer, sent: bytes) -> None:
    with small.connect(sent=sent) as connection:
        assert statuses(received(connection)) == [200] * sent.startswith(GET)
    if sent.endswith((BODY, b"\n\r\nx")):
        assert small.disconnected.wait(10)


def test_client_that_sends_slowly_is_disconnected(small: SmallServer) -> None:
    """A byte now and then does not extend the deadline."""
    for begun in (HEAD, BODY, CHUNKED + b"1;"):
        with small.connect(sent=begun) as connection:
            sent = 0
            with suppress(ConnectionError):
                while sent < 100:
                    sent += connection.send(b"x")
                    time.sleep(0.1)
            assert sent < 100


def test_slow_response_is_not_cut_off(small: SmallServer) -> None:
    with small.connect(sent=SLOW + GET[:20]) as connection:
        time.sleep(2)
        connection.sendall(GET[20:])
        small.release.set()
        eventually(lambda: statuses(connection.recv(1000, socket.MSG_PEEK)) == [200, 200])


@pytest.mark.parametrize("request_", [GET.replace(b"/health/live", b"/big"), LAST.replace(b"/health/live", b"/big")])
def test_client_that_does_not_read_is_disconnected(small: SmallServer, request_: bytes) -> None:
    with small.connect(sent=request_) as connection:
        assert connection.recv(1)
        eventually(lambda: small.connections() == 0)
        assert len(received(connection)) < 50 * MIB


def test_client_that_reads_slowly_gets_everything(small: SmallServer) -> None:
    with small.connect(sent=LAST.replace(b"/health/live", b"/big")) as connection:
        size = 0
        while piece := connection.recv(MIB):
            size += len(piece)
            time.sleep(0.02)
        assert size > 100 * MIB
