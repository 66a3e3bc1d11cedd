"""API processes with a port each, and simulated users of all of them during a change."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Protocol

import httpx
import jwt

from tests.support.service import PASSWORD, Service, eventually, free_port


class Api:
    def __init__(self, service: Service) -> None:
        port = free_port()
        service.environ["LATCHKEY_PORT"] = str(port)
        self._part = service.start("entrypoints.api")
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self.busy = 0

    def ready(self) -> bool:
        assert self._part.process.poll() is None, self._part.log.read_text()
        try:
            return self.client.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str, token: str) -> httpx.Response:
        return self.client.get(path, headers=bearer(token))

    def stop(self) -> None:
        self.client.close()
        self._part.stop()


class Fleet:
    """API processes over one store, with one public URL."""

    def __init__(self, service: Service, size: int = 2) -> None:
        service.environ |= {"LATCHKEY_PUBLIC_URL": "http://accounts.example.org", "LATCHKEY_PROCESSES": "1"}
        service.environ["LATCHKEY_RATE_LIMITS"] = "off"  # for a few users who log in all the time
        self._service = service
        self._change = threading.Condition()
        self.apis = self._started(size)

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        for api in self.apis:
            api.stop()

    def replace_each(self, service: Service | None = None, **environ: str) -> None:
        """Replace each process by a new one, as a rolling update does; the old one ends after its last response."""
        self._service = service or self._service
        self._service.environ |= environ
        for old, new in zip(list(self.apis), self._started(len(self.apis)), strict=True):
            with self._change:
                self.apis[self.apis.index(old)] = new
                self._change.wait_for(partial(_is_idle, old))
            old.stop()
            time.sleep(0.5)  # so that both generations get requests for a while

    def _started(self, size: int) -> list[Api]:
        apis = [Api(self._service) for _ in range(size)]
        for api in apis:
            eventually(api.ready, within=90)
        return apis

    @contextmanager
    def any(self) -> Iterator[Api]:
        """One of the processes, which is not stopped while it is in use."""
        with self._change:
            api = random.choice(self.apis)
            api.busy += 1
        try:
            yield api
        finally:
            with self._change:
                api.busy -= 1
                self._change.notify_all()


class Asked(Protocol):
    @property
    def client(self) -> httpx.Client: ...


class Processes(Protocol):
    """Any of them may be asked."""

    def any(self) -> AbstractContextManager[Asked]: ...


class Load:
    """Users who log in, read their account, refresh, log out and start again until the block ends."""

    def __init__(self, fleet: Processes, emails: list[str]) -> None:
        self._fleet = fleet
        self._threads = [threading.Thread(target=self._person, args=(email,)) for email in emails]
        self._over = threading.Event()
        self.answers: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.signers: set[str] = set()
        self.seconds: list[float] = []

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _person(self, email: str) -> None:
        while not self._over.is_set():
            try:
                self._visit(email)
            except Exception as error:
                self.unexpected.append(repr(error))

    def _visit(self, email: str) -> None:
        pair = self._ask(200, "POST", "/v1/login", json={"login": email, "password": PASSWORD})
        tokens = []
        for _ in range(20):
            tokens.append(pair["access_token"])
            self.signers.add(signer(pair))
            # Also with the first token of the session, which another key may have signed.
            for token in (tokens[0], tokens[-1]):
                self._ask(200, "GET", "/v1/me", token)
            pair = self._ask(200, "POST", "/v1/refresh", json={"refresh_token": pair["refresh_token"]})
            if self._over.wait(0.05):
                break
        self._ask(204, "POST", "/v1/logout", pair["access_token"])
        for token in (tokens[0], pair["access_token"]):
            self._ask(401, "GET", "/v1/me", token)

    def _ask(self, status: int, method: str, path: str, token: str = "", **content: Any) -> dict[str, str]:
        while True:
            with self._fleet.any() as api:
                began = time.monotonic()
                answer = api.client.request(method, path, headers=bearer(token) if token else {}, **content)
            self.seconds.append(time.monotonic() - began)
            self.answers[f"{method} {path} {answer.status_code}"] += 1
            document: dict[str, str] = answer.json() if answer.content else {}
            # Logins beyond the capacity of the machine are refused for now, and repeated.
            if document.get("code") != "overloaded":
                break
            self._over.wait(int(answer.headers["retry-after"]))
        assert answer.status_code == status, f"{method} {path} {answer.status_code} {answer.text}"
        assert status != 401 or document["code"] == "token_revoked"
        return document


def signer(pair: dict[str, str]) -> str:
    """The key that signed the access token."""
    kid: str = jwt.get_unverified_header(pair["access_token"])["kid"]
    return kid


def _is_idle(api: Api) -> bool:
    return api.busy == 0


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims_of(token: str) -> dict[str, object]:
    """The claims of a token. Tokens cannot be compared, because signatures with ES256 differ each time."""
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def post(api: Api, path: str, access: str = "", /, **body: str) -> httpx.Response:
    return api.client.post(path, json=body, headers=bearer(access) if access else {})


def pair_of(api: Api, email: str, password: str = PASSWORD) -> dict[str, str]:
    answer = post(api, "/v1/login", login=email, password=password)
    assert answer.status_code == 200, answer.text
    pair: dict[str, str] = answer.json()
    return pair
