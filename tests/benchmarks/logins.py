"""Logins against argon2-cffi alone on the same cores, and their effect on other requests."""

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
from tests.benchmarks.harness.machine import CORES, NO_REFERENCES, NO_WRK, REFERENCES, ROOT, has_wrk
from tests.benchmarks.harness.rig import bench_rig, reference
from tests.benchmarks.harness.table import report, report_missing
from tests.benchmarks.harness.wrk import Load, finished, started
from tests.support.service import PASSWORD

ROUNDS, SECONDS = 3, 3
PEOPLE = 256
FEW, MANY = 8, 32

Login = Callable[[Caller], Awaitable[int]]


def login_at_latchkey(emails: Iterator[str]) -> Login:
    async def login(caller: Caller) -> int:
        status, _ = await caller.request("POST", "/v1/login", {"login": next(emails), "password": PASSWORD})
        return status

    return login


def login_at_reference(emails: Iterator[str]) -> Login:
    async def login(caller: Caller) -> int:
        form = urlencode({"username": next(emails), "password": PASSWORD}).encode()
        status, _ = await caller.request("POST", "/login", form)
        return status

    return login


def alone(path: Path) -> float:
    """Hashes a second of this build."""
    command = [sys.executable, "-m", "tests.benchmarks.references.hashing", str(SECONDS)]
    process = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(path)}, check=True, capture_output=True, text=True
    )
    return float(process.stdout)


def logged_in(url: str, login: Login, clients: int) -> Crowd:
    return asyncio.run(crowd(url, [login] * clients, seconds=SECONDS))


def forward_auth_during_logins(url: str, login: Login, target: tuple[str, str]) -> tuple[Load, Crowd]:
    """The load that wrk measures during logins, and the logins a second."""

    async def both() -> tuple[Load, Crowd]:
        # Logins start before wrk and end after it.
        logins = asyncio.create_task(crowd(url, [login] * FEW, seconds=SECONDS + 1.5))
        await asyncio.sleep(0.5)
        wrk = started(*target, seconds=SECONDS)
        load = await asyncio.to_thread(finished, wrk)
        return load, await logins

    return asyncio.run(both())


class Measured:
    """Figures of all rounds by name."""

    def __init__(self) -> None:
        self.rates: dict[str, list[float]] = {}
        self.crowds: dict[str, list[Crowd]] = {}

    def rate(self, name: str, value: float) -> None:
        self.rates.setdefault(name, []).append(value)

    def crowd(self, name: str, crowd: Crowd) -> None:
        self.rate(name, crowd.rate)
        self.crowds.setdefault(name, []).append(crowd)

    def note(self, name: str) -> str:
        crowds = self.crowds[name]
        failures = "; ".join(sorted({crowd.failures for crowd in crowds} - {""}))
        p99 = statistics.median(crowd.p99 for crowd in crowds)
        load = max(crowd.load for crowd in crowds)
        return f"p99 {p99:.0f} ms; load generator {load:.0%} of a core" + (
            f"; refused: {failures}" if failures else ""
        )


def hashing(urls: dict[str, str], paths: dict[str, Path], login: Login) -> None:
    measured = Measured()
    for _ in range(ROUNDS):
        for build in urls:
            measured.rate(f"alone {build}", alone(paths[build]))
            for clients in (FEW, MANY):
                measured.crowd(f"{build} {clients}", logged_in(urls[build], login, clients))
    limit = measured.rates["alone stock"]
    report(f"argon2-cffi alone, {CORES} threads", limit, "/s")
    if "native" in urls:
        report("argon2-cffi alone, native build", measured.rates["alone native"], "/s", against=limit)
    for build in urls:
        for clients in (FEW, MANY):
            name = f"{build} {clients}"
            figure = f"logins by {clients} clients" + (", native" if build == "native" else "")
            least = 1.2 if build == "native" else 0.82
            report(figure, measured.rates[name], "/s", against=limit, least=least, note=measured.note(name))


def disturbance(
    name: str, url: str, login: Login, target: tuple[str, str], *, aims: tuple[float, float] | None
) -> None:
    """`aims` are the minimum part of the idle rate and the maximum multiple of the idle p99."""
    idle, busy, measured = list[Load](), list[Load](), Measured()
    finished(started(*target, seconds=1))
    for _ in range(ROUNDS):
        idle.append(finished(started(*target, seconds=SECONDS)))
        load, logins = forward_auth_during_logins(url, login, target)
        busy.append(load)
        measured.crowd("logins", logins)
    least, most = aims or (None, None)
    rates, p99 = ([load.rate for load in loads] for loads in (busy, idle)), [load.p99 for load in busy]
    now, before = rates
    report(
        f"{name} during {FEW} concurrent logins",
        now,
        "/s",
        against=before,
        least=least,
        note="to idle, 16 connections",
    )
    report(f"{name} during {FEW} concurrent logins, p99", p99, "ms", against=[load.p99 for load in idle], most=most)
    report(f"{name}: logins", measured.rates["logins"], "/s", note=measured.note("logins"))


def reference_target(database_url: str) -> None:
    with reference(str(REFERENCES), "fastapi_users_app", DATABASE_URL=database_url) as url:
        emails = [f"theirs{number}@example.org" for number in range(2 * FEW)]
        with httpx.Client(base_url=url, timeout=30) as client:
            for email in emails:
                client.post("/register", json={"email": email, "password": PASSWORD}).raise_for_status()
            login = client.post("/login", data={"username": emails[0], "password": PASSWORD}).raise_for_status()
        target = f"{url}/current", login.json()["access_token"]
        disturbance("fastapi-users", url, login_at_reference(itertools.cycle(emails)), target, aims=None)


def main() -> None:
    with TemporaryDirectory() as name, ExitStack() as stack:
        paths = {"stock": builds.stock(Path(name))}
        try:
            paths["native"] = builds.native(Path(name))
        except subprocess.CalledProcessError:
            report_missing("logins, native", "no C compiler, or no headers of Python: see make native")
        rig = stack.enter_context(bench_rig())
        services = {build: rig.service(PYTHONPATH=str(path)) for build, path in paths.items()}
        login = login_at_latchkey(itertools.cycle(rig.add_users("login", PEOPLE)))
        hashing({build: service.url for build, service in services.items()}, paths, login)
        if not has_wrk():
            report_missing("forward-auth while others log in", NO_WRK)
            return
        service = services["stock"]
        client = service.client().log_in(rig.add_users("asking", 1)[0])
        target = f"{service.url}/v1/forward-auth", client.pair["access_token"]
        disturbance("forward-auth", service.url, login, target, aims=(0.65, 4.0))
        if REFERENCES.exists():
            reference_target(rig.database_url)
        else:
            report_missing("fastapi-users while others log in", NO_REFERENCES)


if __name__ == "__main__":
    main()
