"""A process that is told to stop answers whoever it has begun to answer, and drops nobody."""

import random
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.entrypoints.service import PASSWORD, address, eventually
from tests.faults.stack import Stack


def test_whoever_was_let_in_is_answered(stack: Stack) -> None:
    """Twelve callers, each request on a connection of its own: it is answered whole, or nobody was there."""
    emails = [stack.service.user("caller") for _ in range(4)]
    api, over = stack.apis[0], threading.Event()
    answers: Counter[str] = Counter()
    cut: list[str] = []

    def call() -> None:
        while not over.is_set():
            body = {"login": random.choice(emails), "password": PASSWORD}
            path = "/v1/login"
            if random.random() < 0.3:
                path, body = "/v1/register", {"email": address(), "password": PASSWORD}
            try:
                answer = httpx.post(f"{api.url}{path}", json=body, timeout=30)
            except httpx.ConnectError:
                answers["nobody there"] += 1
                over.wait(0.02)
            except httpx.TransportError as error:
                cut.append(repr(error))
            else:
                answers[str(answer.status_code)] += 1

    with ThreadPoolExecutor(12) as crowd:
        calls = [crowd.submit(call) for _ in range(12)]
        try:
            for _ in range(3):
                passed = answers["200"]
                eventually(lambda: answers["200"] >= passed + 20)  # noqa: B023 - asked at once
                assert api.part.stop(signal.SIGTERM) in {0, -signal.SIGTERM}
                nobody = answers["nobody there"]
                eventually(lambda: answers["nobody there"] > nobody)  # noqa: B023 - likewise
                api.start().wait()
        finally:
            over.set()
        for one in calls:
            one.result()
    assert cut == []
    assert set(answers) <= {"200", "202", "503", "nobody there"}, answers
