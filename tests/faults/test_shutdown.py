"""A process that is told to stop answers whoever got through its door, and resets nobody's connection."""

import json
import random
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException

import pytest

from tests.entrypoints.service import PASSWORD, address, eventually, grows
from tests.faults.stack import Api, Stack

SLOW, QUICK = 2, 10
QUEUE = 400
MANY = 100_000
EVENTS = f"""
INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
SELECT uuidv7(), 'logged_in', id, now(), '', '', '' FROM users, generate_series(1, {MANY}) WHERE email = $1
"""
"""More than the buffers between two processes hold."""


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        pass
    return False


class Caller:
    """Asks again and again: what takes its time, or so quickly that there is always somebody in the door."""

    def __init__(self, api: Api, *, email: str | None, keeps: bool) -> None:
        self._api, self._email, self._keeps = api, email, keeps
        self._line: HTTPConnection | None = None

    def call(self) -> str:
        """The status; "nobody there" if the connection was refused, and what happened if it was cut."""
        if self._line is None:
            line = HTTPConnection("127.0.0.1", self._api.port, timeout=30)
            try:
                line.connect()
            except ConnectionRefusedError:
                return "nobody there"
            except OSError as error:
                return f"cut while connecting: {error!r}"
            self._line = line
        try:
            self._line.request(*self._anything(), headers={"Content-Type": "application/json"})
            answer = self._line.getresponse()
            answer.read()
        except (OSError, HTTPException) as error:
            self.close()
            return f"cut: {error!r}"
        if answer.will_close or not self._keeps:
            self.close()
        return str(answer.status)

    def _anything(self) -> tuple[str, str, str]:
        if self._email is None:
            return "GET", "/v1/forward-auth", ""
        if random.random() < 0.3:
            return "POST", "/v1/register", json.dumps({"email": address(), "password": PASSWORD})
        return "POST", "/v1/login", json.dumps({"login": self._email, "password": PASSWORD})

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("keeps", [False, True], ids=["a connection each", "connections kept"])
def test_whoever_got_through_the_door_is_answered(stack: Stack, processes: int, keeps: bool) -> None:
    """Twelve callers while the service is stopped and started: an answer, or nobody was there."""
    emails = [*(stack.service.user("caller") for _ in range(SLOW)), *[None] * QUICK]
    api, over = Api(stack.service, {"LATCHKEY_PROCESSES": str(processes)}).wait(), threading.Event()
    answers: Counter[str] = Counter()

    def call(email: str | None) -> None:
        with closing(Caller(api, email=email, keeps=keeps)) as caller:
            while not over.is_set():
                answer = caller.call()
                answers[answer] += 1
                if answer == "nobody there":
                    over.wait(0.02)

    with ThreadPoolExecutor(len(emails)) as crowd:
        calls = [crowd.submit(call, email) for email in emails]
        try:
            for _ in range(3):
                grows(lambda: answers["200"], by=5)
                grows(lambda: answers["401"], by=200)
                assert api.part.stop(signal.SIGTERM) in {0, -signal.SIGTERM}
                grows(lambda: answers["nobody there"])
                api.start().wait()
        finally:
            over.set()
            api.stop()
        for one in calls:
            one.result()
    assert set(answers) <= {"200", "202", "401", "503", "nobody there"}, answers


def test_a_connection_that_says_nothing_is_not_waited_for(stack: Stack) -> None:
    """Nor one that has begun a request and does not go on."""
    api = Api(stack.service, {}).wait()
    there = ("127.0.0.1", api.port)
    with socket.create_connection(there, 30) as silent, socket.create_connection(there, 30) as begun:
        begun.sendall(b"GET /health/live HTTP/1.1\r\nHost: ")
        said = len(api.part.log.read_text())
        api.stop()
        assert silent.recv(1) == b""
        assert begun.recv(1) == b""
    assert "timeout graceful shutdown exceeded" not in api.part.log.read_text()[said:]


def test_a_long_queue_is_served_first(stack: Stack) -> None:
    """It formed while the process was held up, and nobody of it had been let in when the process was told to stop."""
    api = Api(stack.service, {}).wait()
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


def test_after_a_long_answer_there_is_a_moment_for_another_request(stack: Stack) -> None:
    """The answer had begun before anybody knew that it would be the last."""
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
