"""Cost of metrics for a request and for a scrape: `python -m tests.benchmarks.metrics`.

Measured as CPU time in many short turns, so that other load of the machine has little effect.
"""

import os
import statistics
import tempfile
import time

from entrypoints.observability.exposition import exposition
from entrypoints.observability.metrics import METHODS, MULTIPROCESS_DIR, STATUSES, Metrics
from tests.benchmarks.harness.table import report

TURNS, REQUESTS, PROCESSES, ROUTES = 200, 500, 4, 60
CALLS = [("GET", f"/v1/some/{number}") for number in range(ROUTES)]


def microseconds(metrics: Metrics) -> float:
    began = time.thread_time()
    for _ in range(REQUESTS):
        metrics.count_request("GET", CALLS[0][1], 200, seconds=0.003, refusal=None)
    return (time.thread_time() - began) / REQUESTS * 1e6


def cost(metrics: Metrics) -> float:
    return statistics.median(microseconds(metrics) for _ in range(TURNS))


def requests_of() -> Metrics:
    metrics = Metrics(CALLS)
    for method, route in CALLS:
        for status in list(STATUSES)[::4]:
            metrics.count_request(method, route, status, seconds=0.01, refusal=None)
    for method in METHODS:
        metrics.count_request(method, None, 404, seconds=0.01, refusal="not_found")
    return metrics


def scrape(metrics: Metrics, note: str) -> None:
    began = time.thread_time()
    text = exposition(metrics, {"database": True, "redis": True}, None, openmetrics=False)
    spent = (time.thread_time() - began) * 1000
    report("metrics: a scrape", [spent], "ms", note=f"{len(text.splitlines())} lines, {note}")


def main() -> None:
    alone = requests_of()
    report("metrics: counting a request", [cost(alone)], "µs", note="processor time, one process")
    scrape(alone, "one process")
    with tempfile.TemporaryDirectory() as folder:
        os.environ[MULTIPROCESS_DIR] = folder
        several = [requests_of() for _ in range(PROCESSES)]
        report(
            "metrics: counting a request", [cost(several[-1])], "µs", note="processor time, one of several processes"
        )
        scrape(several[-1], f"{PROCESSES} processes")


if __name__ == "__main__":
    main()
