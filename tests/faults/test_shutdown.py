"""Graceful shutdown: behind a load balancer no client sees an error, and what a process has accepted is answered."""

import json
import random
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx
import pytest

from tests.support.fault_stack import Api, Stack
from tests.support.programs import program
from tests.support.proxies import listening
from tests.support.service import PASSWORD, eventually, free_port, unique_email, wait_for_growth

SLOW, QUICK = 2, 10
DRAIN_SECONDS = 3
QUEUE = 400
MANY = 100_000
EVENTS = f"""
INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
SELECT uuidv7(), 'logged_in', id, now(), '', '', '' FROM users, generate_series(1, {MANY}) WHERE email = $1
"""
"""Insert more events than the buffers between two processes hold."""

NGINX = """daemon off; worker_processes 2; pid nginx.pid; error_log stderr notice;
events {{}}
http {{
access_log off;
client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
upstream latchkey {{ {upstreams} keepalive 16; }}
server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
        proxy_pass http://latchkey;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
    }}
}}
}}
"""


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        pass
    return False


class LoadBalancer:
    """nginx with a readiness probe that reloads it with the ready upstreams, as an ingress controller does."""

    def __init__(self, folder: Path, apis: list[Api]) -> None:
        self.port = free_port()
        self._folder, self._apis = folder, apis
        self._over = threading.Event()
        self.used: list[Api] = []
        self._configure(apis)

    @contextmanager
    def running(self) -> Iterator["LoadBalancer"]:
        command = [program("nginx"), "-p", str(self._folder), "-c", "nginx.conf", "-e", "stderr"]
        with (
            listening(command, folder=self._folder, log=self._folder / "nginx.log", port=self.port),
            ThreadPoolExecutor(1) as elsewhere,
        ):
            probing = elsewhere.submit(self._probe, command)
            try:
                yield self
            finally:
                self._over.set()
            probing.result()

    def _probe(self, command: list[str]) -> None:
        while not self._over.wait(0.1):
            ready = [api for api in self._apis if _is_ready(api)]
            if ready != self.used:
                self._configure(ready)
                subprocess.run([*command, "-s", "reload"], check=True, capture_output=True)

    def _configure(self, ready: list[Api]) -> None:
        upstreams = " ".join(f"server 127.0.0.1:{api.port};" for api in ready)
        (self._folder / "nginx.conf").write_text(NGINX.format(upstreams=upstreams, port=self.port))
        self.used = ready


def _is_ready(api: Api) -> bool:
    try:
        return httpx.get(f"{api.url}/health/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def status_of_call(port: int, email: str | None) -> str:
    """The status of a quick request, or of a slow one with this e-mail address; the error if there was no answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as line:
        try:
            line.request(*_request(email), headers={"Content-Type": "application/json"})
            answer = line.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            return repr(error)
    # A busy machine may refuse a login.
    return "overloaded" if answer.status == 503 and b"overloaded" in body else str(answer.status)


def _request(email: str | None) -> tuple[str, str, str]:
    if email is None:
        return random.choice([("GET", "/v1/forward-auth", ""), ("POST", "/v1/logout", "")])
    if random.random() < 0.3:
        return "POST", "/v1/register", json.dumps({"email": unique_email(), "password": PASSWORD})
    return "POST", "/v1/login", json.dumps({"login": email, "password": PASSWORD})


@pytest.mark.parametrize("processes", [1, 2])
def test_rolling_restart_behind_nginx_shows_no_error(stack: Stack, tmp_path: Path, processes: int) -> None:
    """nginx never retries a POST, so an aborted one would be an error for its client."""
    emails = [*(stack.service.user("caller") for _ in range(SLOW)), *[None] * QUICK]
    settings = {"LATCHKEY_PROCESSES": str(processes), "LATCHKEY_DRAIN_SECONDS": str(DRAIN_SECONDS)}
    apis = [Api(stack.service, settings).wait() for _ in range(2)]
    answers: Counter[str] = Counter()
    over = threading.Event()

    def client(port: int, email: str | None) -> None:
        while not over.is_set():
            answers[status_of_call(port, email)] += 1

    with ExitStack() as parts:
        for api in apis:
            parts.callback(api.stop)
        balancer = parts.enter_context(LoadBalancer(tmp_path, apis).running())
        crowd = parts.enter_context(ThreadPoolExecutor(len(emails)))
        parts.callback(over.set)
        calls = [crowd.submit(client, balancer.port, email) for email in emails]
        for api in apis:
            wait_for_growth(lambda: answers["200"], by=5)
            wait_for_growth(lambda: answers["401"], by=200)
            assert api.part.stop(signal.SIGTERM) in {0, -signal.SIGTERM}
            api.start().wait()
            eventually(lambda: balancer.used == apis)
        wait_for_growth(lambda: answers["401"], by=200)
        over.set()
        for one in calls:
            one.result()
    assert set(answers) <= {"200", "202", "401", "overloaded"}, answers


def test_draining_process_closes_kept_alive_connections(stack: Stack) -> None:
    api = Api(stack.service, {"LATCHKEY_DRAIN_SECONDS": "300"}).wait()
    with ExitStack() as lines:
        connections = [
            lines.enter_context(closing(HTTPConnection("127.0.0.1", api.port, timeout=30))) for _ in range(3)
        ]
        assert [_closes(line) for line in connections] == [False] * 3
        api.part.process.send_signal(signal.SIGTERM)
        eventually(lambda: not _is_ready(api))
        time.sleep(1)  # longer than idle connections stay open after the listener is closed
        assert [_closes(line) for line in connections] == [True] * 3
        assert not refuses(api.port)
    api.part.process.send_signal(signal.SIGINT)
    api.stop()


def _closes(line: HTTPConnection) -> bool:
    line.request("GET", "/v1/forward-auth")
    answer = line.getresponse()
    answer.read()
    return answer.will_close


def test_silent_connection_does_not_delay_the_stop(stack: Stack) -> None:
    """Neither does one with an incomplete request."""
    api = Api(stack.service, {}).wait()
    there = ("127.0.0.1", api.port)
    with socket.create_connection(there, 30) as silent, socket.create_connection(there, 30) as begun:
        begun.sendall(b"GET /health/live HTTP/1.1\r\nHost: ")
        log_size = len(api.part.log.read_text())
        api.stop()
        assert silent.recv(1) == b""
        assert begun.recv(1) == b""
    assert "timeout graceful shutdown exceeded" not in api.part.log.read_text()[log_size:]


def test_queued_connections_are_served_before_the_stop(stack: Stack) -> None:
    """The queue grows while the process is paused, so none of it is accepted when SIGTERM arrives."""
    api = Api(stack.service, {"LATCHKEY_DRAIN_SECONDS": "1"}).wait()
    process, there = api.part.process, ("127.0.0.1", api.port)
    with ExitStack() as queue:
        process.send_signal(signal.SIGSTOP)
        lines = [queue.enter_context(socket.create_connection(there, 30)) for _ in range(QUEUE)]
        for line in lines:
            line.sendall(b"GET /v1/forward-auth HTTP/1.1\r\nHost: accounts.example.org\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        answers = Counter(line.makefile("rb").readline() for line in lines)
    api.stop()
    assert answers == {b"HTTP/1.1 401 Unauthorized\r\n": QUEUE}


def test_a_request_after_a_long_answer_is_still_served(stack: Stack) -> None:
    """The answer began before the stop, so it did not announce that the connection would close."""
    client = stack.client().log_in(stack.service.user("keeper"))
    stack.sql(EVENTS, client.email)
    api = Api(stack.service, {}).wait()
    with closing(HTTPConnection("127.0.0.1", api.port, timeout=30)) as line:
        line.request("GET", "/v1/me/export", headers={"Authorization": client.headers["Authorization"]})
        export = line.getresponse()
        api.part.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(api.port))
        assert len(json.loads(export.read())["events"]) > MANY
        line.request("GET", "/health/live")
        last = line.getresponse()
        assert last.status == 200
        assert last.will_close
    api.stop()
