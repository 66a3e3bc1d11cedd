"""Logins by passkey against logins by password, and the latter against those of the previous release."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from tests.benchmarks.harness.crowd import Act, Caller, Crowd, crowd
from tests.benchmarks.harness.machine import CORES
from tests.benchmarks.harness.rig import BenchRig, bench_rig
from tests.benchmarks.harness.table import report
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.releases import BEFORE, unpacked
from tests.support.service import PASSWORD

ROUNDS, SECONDS = 5, 3
FEW, CLIENTS, PEOPLE = 4, 16, 256
ORIGIN = "https://accounts.example.org"


async def enrolled(url: str, email: str) -> SoftwareAuthenticator:
    """The authenticator of this user, with a new passkey."""
    device, caller = SoftwareAuthenticator(origin=ORIGIN), Caller(url)

    async def call(path: str, body: dict[str, Any] | None, token: str = "") -> dict[str, Any]:
        status, content = await caller.request("POST", f"/v1/{path}", body, token=token)
        assert 200 <= status < 300, content
        answer: dict[str, Any] = json.loads(content)
        return answer

    token = (await call("login", {"login": email, "password": PASSWORD}))["access_token"]
    begun = await call("factors/passkeys/options", None, token)
    credential = device.create(begun["options"])
    await call("factors/passkeys", {"challenge": begun["challenge"], "credential": credential}, token)
    caller.close()
    return device


def by_passkey(devices: Sequence[SoftwareAuthenticator]) -> Act:
    """Both calls of a login. Each user has an address: the options that one address gets are limited."""
    turns = itertools.cycle(enumerate(devices))

    async def login(caller: Caller) -> int:
        number, device = next(turns)
        caller.address = f"192.0.2.{number}"
        status, content = await caller.request("POST", "/v1/login/passkey/options")
        if status != 200:
            return status
        begun = json.loads(content)
        body = {"challenge": begun["challenge"], "credential": device.get(begun["options"])}
        status, _ = await caller.request("POST", "/v1/login/passkey", body)
        return status

    return login


def by_password(emails: Iterator[str]) -> Act:
    async def login(caller: Caller) -> int:
        status, _ = await caller.request("POST", "/v1/login", {"login": next(emails), "password": PASSWORD})
        return status

    return login


def noted(crowds: list[Crowd]) -> str:
    failures = "; ".join(sorted({crowd.failures for crowd in crowds} - {""}))
    return f"{CLIENTS} clients; load generator {max(crowd.load for crowd in crowds):.0%} of a core" + (
        f"; refused: {failures}" if failures else ""
    )


async def enrol_all(url: str, emails: list[str]) -> list[SoftwareAuthenticator]:
    return [await enrolled(url, email) for email in emails]


def passkeys(rig: BenchRig, url: str, password: Act) -> None:
    passkey = by_passkey(uvloop.run(enrol_all(url, rig.add_users("passkey", PEOPLE))))
    slow, fast = list[Crowd](), list[Crowd]()
    for _ in range(1 + ROUNDS):
        slow.append(uvloop.run(crowd(url, [password] * CLIENTS, seconds=SECONDS)))
        fast.append(uvloop.run(crowd(url, [passkey] * CLIENTS, seconds=SECONDS)))
    slow, fast = slow[1:], fast[1:]  # the first is a warm-up
    rates = [one.rate for one in slow]
    report("logins by password", rates, "/s", note=noted(slow))
    report("logins by passkey", [one.rate for one in fast], "/s", against=rates, least=8, note=noted(fast))
    report("logins by passkey, p99", [one.p99 for one in fast], "ms", note="both calls")


def releases(urls: tuple[str, str], password: Act) -> None:
    """Time of a login by password without a factor, now and in the previous release."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(1 + 2 * ROUNDS):
        for url, own in sorted(zip(urls, times, strict=True), reverse=bool(number % 2)):
            rate = uvloop.run(crowd(url, [password] * FEW, seconds=SECONDS)).rate
            own.append(1000 * FEW / rate)
    (now, before), note = (own[1:] for own in times), f"to {BEFORE}, {FEW} clients"
    report("login by password without a factor", now, "ms", against=before, most=1.02, note=note)


def main() -> None:
    with TemporaryDirectory() as folder, bench_rig() as rig:
        password = by_password(itertools.cycle(rig.add_users("password", PEOPLE)))
        behind = rig.service(processes=CORES, LATCHKEY_TRUSTED_PROXIES="127.0.0.1")
        passkeys(rig, behind.url, password)
        urls = rig.service(processes=CORES).url, rig.service(processes=CORES, root=unpacked(Path(folder))).url
        releases(urls, password)


if __name__ == "__main__":
    main()
