"""Measures the cost of a password hash on this machine and proposes settings."""

import os
import platform
import time
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, distribution

from adapters.passwords.argon2_hasher import Argon2Hasher
from entrypoints.cli.doctor.findings import Finding
from entrypoints.settings.passwords import Cost

PART = "passwords"
SLOW = 0.5
"""Seconds for one hash above which logins are slow."""
MAX_SECONDS = 0.05
"""Seconds that a more expensive hash may take to be proposed."""
STRONGER_COSTS = (Cost(32_768, 2, 1), Cost(47_104, 2, 1), Cost(65_536, 2, 1), Cost(65_536, 3, 1), Cost(98_304, 3, 1))


async def check_hashing(hasher: Argon2Hasher, cost: Cost, *, slow: float = SLOW) -> AsyncIterator[Finding]:
    """`cost` is the setting of the hasher."""
    times = []
    try:
        for _ in range(3):
            began = time.perf_counter()
            await hasher.hash("a password to take the time of")
            times.append(time.perf_counter() - began)
    finally:
        hasher.close()
    for finding in judge_hashing(min(times), cost, cores=os.cpu_count() or 1, compilable=_compilable(), slow=slow):
        yield finding


def judge_hashing(seconds: float, cost: Cost, *, cores: int, compilable: bool, slow: float = SLOW) -> list[Finding]:
    summary = (
        f"a hash takes {_milliseconds(seconds)}, so {cores} cores allow at most {_logins(seconds, cores)} ({cost})"
    )
    if seconds > slow:
        return [Finding.warning(PART, f"{summary}: this machine is slow or busy; more cores help{_or(compilable)}")]
    findings = [Finding.ok(PART, summary)]
    if compilable:
        findings.append(
            Finding.ok(PART, "`make native` compiles argon2 for this processor, which takes about 60 % of that time")
        )
    elif stronger := _stronger_cost(seconds, cost):
        stronger_seconds = seconds * stronger.work / cost.work
        findings.append(
            Finding.ok(
                PART,
                f"there is room for stronger hashes: LATCHKEY_ARGON2={stronger} takes about"
                f" {_milliseconds(stronger_seconds)} and {stronger.memory // 1024} MiB a thread, which leaves at most"
                f" {_logins(stronger_seconds, cores)}",
            )
        )
    return findings


def _stronger_cost(seconds: float, cost: Cost) -> Cost | None:
    """The most expensive settings that are affordable."""
    better = [
        option
        for option in STRONGER_COSTS
        if option.work > cost.work and seconds * option.work / cost.work <= MAX_SECONDS
    ]
    return better[-1] if better else None


def _or(compilable: bool) -> str:
    return ", and `make native`" if compilable else ""


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _logins(seconds: float, cores: int) -> str:
    return f"{cores / seconds:.0f} logins a second"


def _compilable() -> bool:
    """Whether argon2 is the generic build of its wheel, which does not use newer vector instructions."""
    try:
        wheel = distribution("argon2-cffi-bindings").read_text("WHEEL") or ""
    except PackageNotFoundError:
        wheel = ""
    return platform.machine() in {"x86_64", "AMD64"} and is_prebuilt(wheel)


def is_prebuilt(wheel: str) -> bool:
    """Whether a wheel was built for many machines, by its tags."""
    return any(name in wheel for name in ("manylinux", "musllinux", "macosx"))
