"""What counting costs a request, and what a scrape costs: `python -m tests.benchmarks.counting`.

In processor time and in many short turns, so that what else the machine does counts for little.
"""

import asyncio
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import structlog
from litestar.types import HTTPScope, Message

from entrypoints.container import Container, close
from entrypoints.exposition import exposition
from entrypoints.http.app import assemble
from entrypoints.http.front_door import FrontDoor
from entrypoints.logs import TellMachines
from entrypoints.metrics import STATUSES, Metrics
from entrypoints.settings import load
from tests.benchmarks.harness.table import report

TURNS, REQUESTS, PROCESSES = 200, 50, 4


class Uncounted(Metrics):
    def answered(self, *_: object, **__: object) -> None:
        pass


def scope() -> HTTPScope:
    path = "/health/live"
    made: dict[str, Any] = {
        **{"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": ""},
        **{"path": path, "raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b"x")]},
        **{"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "state": {}},
    }
    return cast(HTTPScope, made)


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_: Message) -> None:
    pass


async def microseconds(door: FrontDoor) -> float:
    began = time.thread_time()
    for _ in range(REQUESTS):
        await door(scope(), receive, send)
    return (time.thread_time() - began) / REQUESTS * 1e6


async def counting(container: Container) -> None:
    app, tell = assemble(container), TellMachines(io.BytesIO())
    calls = [call for call in app.state.metrics._block if call[1] != "-"]
    with tempfile.TemporaryDirectory() as folder:
        rows = [Metrics(calls, Path(folder)) for _ in range(PROCESSES)]
        counted, uncounted = (
            FrontDoor(app, paths=app.state.paths, metrics=row, tell=tell) for row in (rows[0], Uncounted(calls))
        )
        turns = [(await microseconds(counted), await microseconds(uncounted)) for _ in range(TURNS)]
        without = statistics.median(turn[1] for turn in turns)
        more = statistics.median(turn[0] - turn[1] for turn in turns)
        print(f"counting: {more:.1f} µs more a request than {without:.0f} µs, {1 + more / without:.3f} times")
        report(
            "a request that is counted", [without + more], "µs", against=[without], note="processor time, in process"
        )
        for row in rows:
            for method, route in calls:
                for status in STATUSES[::4]:
                    row.answered(method, route, cast(int, status), seconds=0.01, refusal=None)
        began = time.thread_time()
        text = exposition(rows[0].counted(), {"database": True, "redis": True}, None, openmetrics=False)
        spent = (time.thread_time() - began) * 1000
        report("a scrape", [spent], "ms", note=f"{len(text.splitlines())} lines, {PROCESSES} processes")


def main() -> None:
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=io.StringIO()))
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}
    with tempfile.TemporaryDirectory() as folder:
        settings = load(
            {"LATCHKEY_ENV": "development", "LATCHKEY_DATA_DIR": folder}
            | {f"LATCHKEY_{name}": url for name, url in nowhere.items()}
        )
        container = Container(settings=settings)
        asyncio.run(counting(container))
        asyncio.run(close(container))


if __name__ == "__main__":
    main()
