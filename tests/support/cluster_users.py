"""Two API processes, and simulated users of both during a failure."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import httpx

from tests.support.fault_stack import Api
from tests.support.service import PASSWORD, Service, code, eventually


class Pair:
    """Two processes that share only the database and Redis."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.apis = [Api(service, {}) for _ in range(2)]
        self.wait(within=120)

    def wait(self, *, within: float = 30) -> None:
        for api in self.apis:
            api.wait(within=within)

    def me(self, token: str, number: int) -> httpx.Response:
        url = f"{self.apis[number].url}/v1/me"
        return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


class Load:
    """Users who log in at one process and log out at the other, without a pause."""

    def __init__(self, pair: Pair) -> None:
        self.heard: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.thrown_out: list[str] = []
        self._pair, self._over = pair, Event()
        self._users = [pair.service.user("somebody") for _ in range(4)]
        self._threads = [Thread(target=self._go_on, args=(user,)) for user in self._users]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, times: int, *, within: float = 60) -> None:
        """Wait for this many more acknowledged logouts."""
        enough = len(self.thrown_out) + times
        eventually(lambda: len(self.thrown_out) >= enough, within=within)

    def _go_on(self, user: str) -> None:
        dice = random.Random(user)
        # Each login comes from another network, because logins of one user from one network are limited.
        networks = (f"198.19.{number}.{dice.randrange(1, 255)}" for number in itertools.cycle(range(256)))
        with httpx.Client(timeout=30) as caller:
            while not self._over.is_set():
                here, there = dice.sample(self._pair.apis, 2)
                body = {"login": user, "password": PASSWORD}
                origin = {"X-Forwarded-For": next(networks)}
                answer = self._heard("in", caller.post(f"{here.url}/v1/login", json=body, headers=origin), 200)
                if answer.status_code != 200:
                    continue
                token = answer.json()["access_token"]
                bearer = {"Authorization": f"Bearer {token}"}
                self._heard("known", caller.get(f"{there.url}/v1/me", headers=bearer), 200)
                if self._heard("out", caller.post(f"{there.url}/v1/logout", headers=bearer), 204).status_code != 204:
                    continue
                self.thrown_out.append(token)
                for once in (token, *dice.choices(self.thrown_out, k=4)):
                    for api in (here, there):
                        asking = {"Authorization": f"Bearer {once}"}
                        self._heard("refused", caller.get(f"{api.url}/v1/me", headers=asking), 401)

    def _heard(self, what: str, answer: httpx.Response, wanted: int) -> httpx.Response:
        self.heard[f"{what} {answer.status_code}"] += 1
        if answer.status_code == 503:
            assert code(answer) in {"unavailable", "overloaded"}
        elif answer.status_code != wanted:
            self.wrong.append(f"{what}: {answer.status_code} {answer.text}")
        return answer


@contextmanager
def load(pair: Pair) -> Iterator[Load]:
    people = Load(pair)
    people.start()
    try:
        yield people
    finally:
        people.stop()
    print(dict(people.heard))
    assert people.wrong == []
    for token, number in itertools.product(people.thrown_out, range(2)):
        assert pair.me(token, number).status_code == 401
