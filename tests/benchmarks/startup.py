"""Time until the first response, and memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from tests.benchmarks.harness import builds
from tests.benchmarks.harness.machine import ROOT, has_wrk
from tests.benchmarks.harness.rig import bench_rig
from tests.benchmarks.harness.table import report
from tests.benchmarks.harness.wrk import wrk
from tests.support.service import PASSWORD, Service, free_port

ROUNDS = 3
# Without the garbage collector, as `entrypoints/api.py` loads it.
IMPORTING = (
    "import gc, time; gc.disable(); began = time.perf_counter(); import entrypoints.api, entrypoints.http.app;"
    " print(time.perf_counter() - began)"
)


def until_ready(port: int, start: Callable[[], subprocess.Popen[bytes]]) -> tuple[float, subprocess.Popen[bytes]]:
    began = time.monotonic()
    process = start()
    while time.monotonic() < began + 120:
        assert process.poll() is None, f"ended with {process.returncode}"
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                return time.monotonic() - began, process
        time.sleep(0.01)
    raise TimeoutError("never ready")


def first_start(folder: Path) -> float:
    """Seconds of `make run` with an empty data folder, with all packages installed."""
    port = free_port()
    environ = {"LATCHKEY_DATA_DIR": str(folder), "LATCHKEY_PORT": str(port)}

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "entrypoints.devserver"]
        own = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
        return subprocess.Popen(command, cwd=ROOT, env={**own, **environ}, stdout=subprocess.DEVNULL)

    took, process = until_ready(port, start)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    return took


def api_start(service: Service) -> float:
    """Seconds of one API process with running engines."""
    port = free_port()
    took, process = until_ready(port, lambda: service.start("entrypoints.api", LATCHKEY_PORT=str(port)).process)
    process.terminate()
    process.wait(60)
    return took


def importing(python: str) -> float:
    process = subprocess.run([python, "-c", IMPORTING], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(process.stdout)


def resident_mib(service: Service) -> tuple[float, float]:
    """MiB of an API process after its start and after each kind of load."""
    process = psutil.Process(service.start_api().process.pid)
    before = process.memory_info().rss / 2**20
    with service.client() as client:
        for _ in range(20):
            client.log_in(service.environ["SOMEBODY"], PASSWORD)
            client.take(client.renew().raise_for_status())
        token = client.pair["access_token"]
        for path in ("/v1/forward-auth", "/v1/me"):
            if has_wrk():
                wrk(f"{service.url}{path}", token, connections=64)
            else:
                for _ in range(2000):
                    client.get(path).raise_for_status()
    after = process.memory_info().rss / 2**20
    process.terminate()
    process.wait(60)
    return before, after


def main() -> None:
    first, alone, imported, memory = list[float](), list[float](), list[float](), list[tuple[float, float]]()
    with bench_rig() as rig, TemporaryDirectory(prefix="latchkey-bench-") as folder:
        service = rig.service()
        service.environ["SOMEBODY"] = rig.add_users("somebody", 1)[0]
        service.stop()
        service.python = builds.deployment(Path(folder) / "deployment")
        importing(service.python)
        for number in range(ROUNDS):
            first.append(first_start(Path(folder) / str(number)))
            alone.append(api_start(service))
            imported.append(importing(service.python))
            memory.append(resident_mib(service))
    report("first `make run` until ready", first, "s", most=3, note="by make run, on an empty folder")
    report("API process until ready", alone, "s")
    report("import of the API", imported, "s", most=1)
    report("memory of an API process after its start", [before for before, _ in memory], "MiB", most=110)
    report("memory of an API process after load", [after for _, after in memory], "MiB")


if __name__ == "__main__":
    main()
