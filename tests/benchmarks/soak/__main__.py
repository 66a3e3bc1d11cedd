"""`make bench-soak`, or SECONDS=60 for a shorter one: users on two API processes and a worker. Memory, descriptors
and p99 are sampled ten times. From the second sample on, memory and descriptors must not grow."""

import asyncio
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from tests.benchmarks.harness.crowd import percentile
from tests.benchmarks.harness.machine import ROOT, describe_machine
from tests.benchmarks.harness.rig import bench_rig
from tests.benchmarks.soak.users import Notes, SoakUsers
from tests.support.service import free_port

SECONDS, SAMPLES = 600, 10
MEMBERS, NEWCOMERS, PAUSE = 24, 1, 0.05
MORE_MEMORY, MORE_DESCRIPTORS, MORE_TIME = 1.10, 1.20, 1.50
"""The maximum at the end, as a multiple of the second sample."""


@dataclass(frozen=True, slots=True)
class Sample:
    memory: dict[str, float]
    """MiB by process."""
    descriptors: dict[str, int]
    p99: float
    rate: float


def take_sample(processes: dict[str, psutil.Process], notes: Notes, seconds: float) -> Sample:
    times = [milliseconds for durations in notes.times.values() for milliseconds in durations]
    return Sample(
        {name: process.memory_info().rss / 2**20 for name, process in processes.items()},
        {name: process.num_fds() for name, process in processes.items()},
        percentile(times, 0.99),
        len(times) / seconds,
    )


def print_sample(look: Sample, seconds: float, notes: Notes) -> str:
    memory = ", ".join(f"{name} {size:.0f}" for name, size in look.memory.items())
    descriptors = ", ".join(str(number) for number in look.descriptors.values())
    calls = ", ".join(f"{call} {percentile(times, 0.99):.0f}" for call, times in sorted(notes.times.items()))
    odd = ", ".join(f"{times} × {what}" for what, times in notes.odd.items())
    return (
        f"{seconds:>5.0f} s  {look.rate:>6.0f}/s  MiB {memory}  descriptors {descriptors}  p99 {look.p99:.0f} ms"
        f" ({calls})" + (f"  busy {notes.busy}" if notes.busy else "") + (f"  ODD {odd}" if odd else "")
    )


async def observe(
    people: SoakUsers, processes: dict[str, psutil.Process], seconds: float
) -> tuple[list[Sample], Notes]:
    """All samples and anomalies."""
    looks, all_of_it, began = list[Sample](), Notes(), time.monotonic()
    coming = asyncio.create_task(people.come(members=MEMBERS, newcomers=NEWCOMERS))
    for number in range(1, SAMPLES + 1):
        await asyncio.sleep(max(0.0, began + number * seconds / SAMPLES - time.monotonic()))
        notes, people.notes = people.notes, Notes()
        looks.append(take_sample(processes, notes, seconds / SAMPLES))
        print(print_sample(looks[-1], time.monotonic() - began, notes), flush=True)
        all_of_it.odd.update(notes.odd)
        all_of_it.busy += notes.busy
    await coming
    return looks, all_of_it


def problems_of(looks: list[Sample], notes: Notes) -> int:
    """The last three samples against the second, because caches and pools fill during the first."""
    early, late = looks[1], looks[-3:]
    grown = [
        _grew(name, "MiB", size, [look.memory[name] for look in late], MORE_MEMORY)
        for name, size in early.memory.items()
    ]
    # Of all processes together, because any process may accept a connection.
    descriptors = [float(sum(look.descriptors.values())) for look in (early, *late)]
    grown.append(_grew("all", "descriptors", descriptors[0], descriptors[1:], MORE_DESCRIPTORS))
    _grew("p99", "ms", early.p99, [look.p99 for look in late], MORE_TIME)  # not judged: other programs run, too
    print(f"responses neither successful nor `overloaded`: {dict(notes.odd) or 'none'}; overloaded: {notes.busy}")
    return 1 if any(grown) or notes.odd else 0


def _grew(what: str, unit: str, before: float, later: list[float], most: float) -> bool:
    after = statistics.median(later)
    grew = after > before * most
    ratio = f"{after / before:.2f} ×, at most {most} ×"
    print(f"{what:8} {before:>6.0f} {unit}, in the end {after:.0f}: {ratio}: {'GREW' if grew else 'flat'}")
    return grew


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    print(describe_machine(), flush=True)
    with bench_rig() as rig:
        port = free_port()
        command = [sys.executable, "-m", "tests.benchmarks.references.sink", str(port), "/dev/null"]
        sink = subprocess.Popen(command, cwd=ROOT)
        try:
            service = rig.service(
                processes=2,
                LATCHKEY_SMTP_URL=f"smtp://127.0.0.1:{port}",
                LATCHKEY_TRUSTED_PROXIES="127.0.0.1/32",
            )
            worker = psutil.Process(service.start_worker().process.pid)
            # The resource tracker of multiprocessing serves no requests.
            of_api = psutil.Process(service.parts()[0].pid).children()
            apis = [child for child in of_api if "resource_tracker" not in " ".join(child.cmdline())]
            processes = {f"api {number}": child for number, child in enumerate(apis, 1)} | {"worker": worker}
            people = SoakUsers(
                service.url, rig.add_users("soaked", 256), pause=PAUSE, until=time.monotonic() + seconds
            )
            looks, notes = asyncio.run(observe(people, processes, seconds))
        finally:
            sink.terminate()
            sink.wait(20)
    return problems_of(looks, notes)


if __name__ == "__main__":
    sys.exit(main())
