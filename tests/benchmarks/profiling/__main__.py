"""`make profile`, or CALL=/v1/me: profiles an API process by py-spy under load. Prints the most expensive functions,
and writes a flame graph into `.profile`."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.harness.machine import NO_WRK, REFERENCES, ROOT, has_wrk
from tests.benchmarks.harness.rig import bench_rig
from tests.benchmarks.harness.wrk import finished, started, wrk

SECONDS, RATE, TOP = 8, 250, 25
PY_SPY = REFERENCES.with_name("py-spy")
IDLE = {"_worker (concurrent/futures/thread.py)", "Condition.wait (threading.py)"}
"""Functions of idle threads, which py-spy does not always recognise."""
_LINE = re.compile(r":\d+\)$")
PROFILES = ROOT / ".profile"


def record(pid: int, kind: str, file: Path) -> None:
    """Raises CalledProcessError, for example if the system does not allow ptrace."""
    command = [str(PY_SPY), "record", "--pid", str(pid), "--duration", str(SECONDS), "--rate", str(RATE)]
    command += ["--format", kind, "--output", str(file)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def stacks(raw: str) -> Iterator[tuple[list[str], int]]:
    """Stacks, outermost function first, with the number of samples."""
    for line in raw.splitlines():
        stack, _, samples = line.rpartition(" ")
        yield stack.split(";"), int(samples)


def counted(raw: str) -> tuple[Counter[str], Counter[str], int]:
    """Samples by function with its callees, by function alone, and in total."""
    inclusive, own, total = Counter[str](), Counter[str](), 0
    for stack, samples in stacks(raw):
        functions = [_LINE.sub(")", frame) for frame in stack]
        if functions[-1] in IDLE:
            continue
        total += samples
        own[functions[-1]] += samples
        for function in set(functions):
            inclusive[function] += samples
    return inclusive, own, total


def shown(raw: str) -> str:
    inclusive, own, total = counted(raw)
    lines = []
    for title, counts in (("in it and in what it calls", inclusive), ("in it alone", own)):
        lines += ["", f"{title}:"]
        lines += [f"  {samples / total:6.1%}  {name}" for name, samples in counts.most_common(TOP)]
    return "\n".join(lines)


def main() -> int:
    call = sys.argv[1] if len(sys.argv) > 1 else "/v1/forward-auth"
    if not call.startswith("/"):
        print(f"CALL: {call} is no path, such as /v1/me", file=sys.stderr)
        return 2
    if not has_wrk():
        print(NO_WRK, file=sys.stderr)
        return 1
    PROFILES.mkdir(exist_ok=True)
    graph = PROFILES / f"{call.strip('/').replace('/', '-')}.svg"
    with bench_rig() as rig, TemporaryDirectory() as folder:
        service = rig.service()
        client = service.client().log_in(rig.add_users("asking", 1)[0])
        if (status := client.get(call).status_code) != 200:
            print(f"CALL: GET {call} is answered with {status}, and not with 200 to anybody", file=sys.stderr)
            return 2
        url, token, raw = f"{service.url}{call}", client.pair["access_token"], Path(folder) / "raw"
        pid = service.parts()[0].pid
        alone = wrk(url, token)
        for kind, file in (("raw", raw), ("flamegraph", graph)):
            load = started(url, token, seconds=SECONDS + 2)
            try:
                record(pid, kind, file)
            except subprocess.CalledProcessError as error:
                print(f"py-spy: {error.stderr.strip()}", file=sys.stderr)
                return 1
            finally:
                watched = finished(load)
        print(shown(raw.read_text()))
    print(f"\n{call}: {alone.rate:,.0f}/s, and {watched.rate:,.0f}/s while it was looked at")
    print(f"flame graph: {graph}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
