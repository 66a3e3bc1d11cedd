"""Simulated clients: users who log in, refresh and log out, services that authenticate, and new registrations."""

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.benchmarks.harness.crowd import Caller
from tests.support.service import PASSWORD, unique_email

EXPECTED = {200, 202, 204}
BUSY = 503
"""Allowed while it is rare: the service refuses rather than let all wait."""


@dataclass(slots=True)
class Notes:
    """Responses since the last sample, by call."""

    times: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds."""
    odd: Counter[str] = field(default_factory=Counter)
    """Responses that were neither successful nor `overloaded`."""
    busy: int = 0

    def answered(self, call: str, status: int, milliseconds: float) -> None:
        self.times.setdefault(call, []).append(milliseconds)
        if status == BUSY:
            self.busy += 1
        elif status not in EXPECTED:
            self.odd[f"{call} {status}"] += 1


class SoakUsers:
    """`pause` is the average time between two calls in seconds."""

    def __init__(self, url: str, emails: list[str], *, pause: float, until: float) -> None:
        self._url = url
        self._emails = itertools.cycle(emails)
        self._pause = pause
        self._until = until
        self._addresses = self._places()
        self.notes = Notes()

    async def come(self, *, members: int, newcomers: int) -> None:
        await asyncio.gather(*(self._member() for _ in range(members)), *(self._newcomer() for _ in range(newcomers)))

    async def _member(self) -> None:
        """Logs in, authenticates, refreshes now and then, logs out, and starts again."""
        while time.monotonic() < self._until:
            caller = Caller(self._url, address=next(self._addresses))
            credentials = {"login": next(self._emails), "password": PASSWORD}
            status, body = await self._ask(caller, "POST", "/v1/login", credentials)
            if status == 200:
                await self._session(caller, json.loads(body))
            caller.close()

    async def _session(self, caller: Caller, pair: dict[str, str]) -> None:
        for number in range(1, random.randrange(20, 60)):
            if time.monotonic() > self._until:
                break
            path = "/v1/me" if number % 4 == 0 else "/v1/forward-auth"
            await self._ask(caller, "GET", path, token=pair["access_token"])
            if number % 10 == 0:
                renewal = {"refresh_token": pair["refresh_token"]}
                status, body = await self._ask(caller, "POST", "/v1/refresh", renewal)
                pair = json.loads(body) if status == 200 else pair
        await self._ask(caller, "POST", "/v1/logout", token=pair["access_token"])

    async def _newcomer(self) -> None:
        while time.monotonic() < self._until:
            caller = Caller(self._url, address=next(self._addresses))
            await self._ask(caller, "POST", "/v1/register", {"email": unique_email("new"), "password": PASSWORD})
            caller.close()
            await asyncio.sleep(10 * self._pause)

    async def _ask(
        self, caller: Caller, method: str, path: str, body: dict[str, str] | None = None, *, token: str = ""
    ) -> tuple[int, bytes]:
        began = time.perf_counter()
        try:
            status, content = await caller.request(method, path, body, token=token)
        except (OSError, EOFError):
            status, content = 0, b""  # the connection broke
        self.notes.answered(path.removeprefix("/v1/"), status, (time.perf_counter() - began) * 1000)
        await asyncio.sleep(random.expovariate(1 / self._pause))
        return status, content

    @staticmethod
    def _places() -> Iterator[str]:
        """So many networks that clients share no rate limit."""
        return (f"10.{number // 256 % 256}.{number % 256}.7" for number in itertools.count())
