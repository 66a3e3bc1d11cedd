"""Logins against what argon2-cffi alone reaches on the same cores, and what all others notice of them."""

import asyncio
import itertools
import os
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import httpx

from tests.benchmarks.harness import builds
from tests.benchmarks.harness.crowd import Caller, Crowd, crowd
from tests.benchmarks.harness.house import house, reference
from tests.benchmarks.harness.machine import CORES, NO_REFERENCES, NO_WRK, REFERENCES, ROOT, has_wrk
from tests.benchmarks.harness.table import lacking, report
from tests.benchmarks.harness.wrk import Load, finished, started
from tests.support.service import PASSWORD

ROUNDS, SECONDS = 3, 3
PEOPLE = 256
FEW, MANY = 8, 32

Login = Callable[[Caller], Awaitable[int]]


def at_ours(emails: Iterator[str]) -> Login:
    async def login(caller: Caller) -> int:
        status, _ = await caller.ask("POST", "/v1/login", {"login": next(emails), "password": PASSWORD})
        return status

    return login


def at_theirs(emails: Iterator[str]) -> Login:
    async def login(caller: Caller) -> int:
        form = urlencode({"username": next(emails), "password": PASSWORD}).encode()
        status, _ = await caller.ask("POST", "/login", form)
        return status

    return login


def alone(path: Path) -> float:
    """Hashes a second of this build."""
    command = [sys.executable, "-m", "tests.benchmarks.references.hashing", str(SECONDS)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(path)}, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def logged_in(url: str, login: Login, clients: int) -> Crowd:
    return asyncio.run(crowd(url, [login] * clients, seconds=SECONDS))


def disturbed(url: str, login: Login, asked: tuple[str, str]) -> tuple[Load, Crowd]:
    """What wrk finds while others log in, and how many do."""

    async def both() -> tuple[Load, Crowd]:
        # They come before it and leave after it, so that it never has the place for itself.
        logins = asyncio.create_task(crowd(url, [login] * FEW, seconds=SECONDS + 1.5))
        await asyncio.sleep(0.5)
        wrk = started(*asked, seconds=SECONDS)
        load = await asyncio.to_thread(finished, wrk)
        return load, await logins

    return asyncio.run(both())


class Measured:
    """Figures of rounds, by name."""

    def __init__(self) -> None:
        self.rates: dict[str, list[float]] = {}
        self.crowds: dict[str, list[Crowd]] = {}

    def rate(self, name: str, found: float) -> None:
        self.rates.setdefault(name, []).append(found)

    def crowd(self, name: str, found: Crowd) -> None:
        self.rate(name, found.rate)
        self.crowds.setdefault(name, []).append(found)

    def note(self, name: str) -> str:
        crowds = self.crowds[name]
        noes = "; ".join(sorted({found.noes for found in crowds} - {""}))
        p99 = statistics.median(found.p99 for found in crowds)
        load = max(found.load for found in crowds)
        return f"p99 {p99:.0f} ms; asking took {load:.0%} of a core" + (f"; noes: {noes}" if noes else "")


def hashing(urls: dict[str, str], paths: dict[str, Path], login: Login) -> None:
    found = Measured()
    for _ in range(ROUNDS):
        for build in urls:
            found.rate(f"alone {build}", alone(paths[build]))
            for clients in (FEW, MANY):
                found.crowd(f"{build} {clients}", logged_in(urls[build], login, clients))
    limit = found.rates["alone stock"]
    report(f"argon2-cffi alone, {CORES} threads", limit, "/s")
    if "native" in urls:
        report("a native build of it alone", found.rates["alone native"], "/s", against=limit)
    for build in urls:
        for clients in (FEW, MANY):
            name = f"{build} {clients}"
            figure = f"logins by {clients} clients" + (", native" if build == "native" else "")
            least = 1.2 if build == "native" else 0.82
            report(figure, found.rates[name], "/s", against=limit, least=least, note=found.note(name))


def disturbance(
    who: str, url: str, login: Login, asked: tuple[str, str], *, aims: tuple[float, float] | None
) -> None:
    """`aims` are the least share of the idle rate, and the most times the idle p99."""
    idle, busy, found = list[Load](), list[Load](), Measured()
    finished(started(*asked, seconds=1))
    for _ in range(ROUNDS):
        idle.append(finished(started(*asked, seconds=SECONDS)))
        load, logins = disturbed(url, login, asked)
        busy.append(load)
        found.crowd("logins", logins)
    least, most = aims or (None, None)
    rates, p99 = ([load.rate for load in loads] for loads in (busy, idle)), [load.p99 for load in busy]
    now, before = rates
    report(f"{who} while {FEW} log in", now, "/s", against=before, least=least, note="to idle, 16 connections")
    report(f"{who} while {FEW} log in, p99", p99, "ms", against=[load.p99 for load in idle], most=most)
    report(f"{who}: logins meanwhile", found.rates["logins"], "/s", note=found.note("logins"))


def theirs(database_url: str) -> None:
    with reference(str(REFERENCES), "fastapi_users_app", DATABASE_URL=database_url) as url:
        emails = [f"theirs{number}@example.org" for number in range(2 * FEW)]
        with httpx.Client(base_url=url, timeout=30) as client:
            for email in emails:
                client.post("/register", json={"email": email, "password": PASSWORD}).raise_for_status()
            login = client.post("/login", data={"username": emails[0], "password": PASSWORD}).raise_for_status()
        asked = f"{url}/current", login.json()["access_token"]
        disturbance("fastapi-users", url, at_theirs(itertools.cycle(emails)), asked, aims=None)


def main() -> None:
    with TemporaryDirectory() as name, ExitStack() as running:
        paths = {"stock": builds.stock(Path(name))}
        try:
            paths["native"] = builds.native(Path(name))
        except subprocess.CalledProcessError:
            lacking("logins, native", "no C compiler, or no headers of Python: see make native")
        made = running.enter_context(house())
        services = {build: made.service(PYTHONPATH=str(path)) for build, path in paths.items()}
        login = at_ours(itertools.cycle(made.people("login", PEOPLE)))
        hashing({build: service.url for build, service in services.items()}, paths, login)
        if not has_wrk():
            lacking("forward-auth while others log in", NO_WRK)
            return
        service = services["stock"]
        client = service.client().log_in(made.people("asking", 1)[0])
        asked = f"{service.url}/v1/forward-auth", client.pair["access_token"]
        disturbance("forward-auth", service.url, login, asked, aims=(0.65, 4.0))
        if REFERENCES.exists():
            theirs(made.database_url)
        else:
            lacking("fastapi-users while others log in", NO_REFERENCES)


if __name__ == "__main__":
    main()
