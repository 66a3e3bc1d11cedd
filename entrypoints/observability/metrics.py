"""Metrics of the HTTP service. Every label value is from a fixed list, so clients cannot create new series."""

import fcntl
import itertools
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from domain.refusals import ErrorCode
from entrypoints.http.problem_types import CATALOGUE

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds in seconds."""

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus-client's environment variable. The parent of several processes sets it before it starts them."""

_FILE_KINDS = ("counter", "gauge_sum", "histogram")
"""How prometheus-client begins the names of its files."""

FILE_SIZE = 2 * 1024 * 1024
"""Bytes of each file: more than the series of all routes need, so that no file grows."""

UNKNOWN = "-"
"""The label of a route that does not exist, and of a response that never started."""

OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STATUSES = frozenset({200, 201, 202, 204, 302, 414, 431} | {it.status for it in CATALOGUE.values()})
SUCCESS = "success"
LOGINS = frozenset(
    ("POST", f"{start}{step}") for start in ("/v1/login", "/sign-in") for step in ("", "/factor", "/passkey")
)
"""A login with a second factor is two attempts: the outcome of the first is `second_factor_required`."""

Call = tuple[str, str]
"""A method and the template of a route."""

log = structlog.get_logger()

disable_created_metrics()  # these extra series do not exist with several processes


class Metrics:
    """Counts requests. `calls` are the methods and routes that exist."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self._shared = _SharedFolder.from_environment()
        self._registry = CollectorRegistry()
        self._calls = frozenset(calls)
        self._requests = self._counter("http_requests", "HTTP requests answered.", "method", "route", "status")
        self._durations = Histogram(
            "latchkey_http_request_duration_seconds",
            "Time from the end of the request head to the end of the response.",
            ["method", "route"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        errors = self._counter("errors", "Problem documents sent, by code.", "code")
        self._errors = {code: errors.labels(code) for code in CATALOGUE}
        self._logins = self._counter("logins", "Login attempts, by outcome.", "outcome")
        for outcome in (SUCCESS, ErrorCode.INVALID_CREDENTIALS):
            self._logins.labels(outcome)  # exported from the start; other outcomes when they occur
        hashes = Gauge(
            "latchkey_password_hashes",
            "Passwords being hashed or waiting.",
            ["state"],
            multiprocess_mode="sum",
            registry=self._registry,
        )
        self._running, self._waiting = hashes.labels("running"), hashes.labels("waiting")
        self._series: dict[tuple[str, str | None, int | None], tuple[Counter, Histogram]] = {}

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"latchkey_{name}", documentation, labels, registry=self._registry)

    def count_request(
        self, method: str, route: str | None, status: int | None, *, seconds: float, refusal: str | None
    ) -> None:
        """`refusal` is the code of a problem document."""
        requests, durations = self._series.get((method, route, status)) or self._find_series(method, route, status)
        requests.inc()
        durations.observe(seconds)
        if refusal is not None:
            self._errors[refusal].inc()
        if (method, route) in LOGINS:
            self._logins.labels(refusal or SUCCESS).inc()

    def _find_series(self, method: str, route: str | None, status: int | None) -> tuple[Counter, Histogram]:
        """Caches the series of each set of labels, but not of unknown methods, because clients choose these."""
        if (method, route) not in self._calls:
            method, route = method if method in METHODS else OTHER, None
        key = (method, route, status)
        if key not in self._series:
            call = (method, route or UNKNOWN)
            known = status if status in STATUSES else OTHER
            requests = self._requests.labels(*call, UNKNOWN if status is None else known)
            self._series[key] = requests, self._durations.labels(*call)
        return self._series[key]

    def set_hashing(self, running: int, waiting: int) -> None:
        """Set how many passwords this process is hashing, and how many wait for it."""
        self._running.set(running)
        self._waiting.set(waiting)

    def collect(self) -> Iterable[Metric]:
        """The counts of all processes, or of this process alone if the files of the others were removed."""
        return (self._shared and self._shared.collect()) or self._registry.collect()


class _SharedFolder:
    """The files of prometheus-client's multiprocess mode, by slots instead of process ids.

    A process takes over the files of one that has died and continues its counters. So no sum falls, and there are
    never more files than processes; with process ids each restart of a process would leave its files behind.
    """

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)  # a cleaner of temporary files may have removed it
        slot, self._lock = self._claim_slot()
        for kind in _FILE_KINDS:
            _allocate(folder / f"{kind}_{slot}.db")
        values.ValueClass = values.MultiProcessValue(process_identifier=lambda: slot)

    @classmethod
    def from_environment(cls) -> "_SharedFolder | None":
        """None for a single process, and if the folder cannot be used: then this process counts alone."""
        folder = os.environ.get(MULTIPROCESS_DIR)
        if not folder:
            return None
        try:
            return cls(Path(folder))
        except OSError as error:
            log.warning("metrics_per_process", problem=error.strerror)
            values.ValueClass = values.MutexValue
            return None

    def _claim_slot(self) -> tuple[int, IO[Any]]:
        """The first slot that no living process has locked, and the open lock file."""
        for slot in itertools.count():
            file = (self._folder / f"{slot}.lock").open("w")
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return slot, file
            file.close()
        raise AssertionError("numbers do not end")

    def collect(self) -> Iterable[Metric]:
        if not any(self._folder.glob("*.db")):
            return []
        metrics: Iterable[Metric] = MultiProcessCollector(None, str(self._folder)).collect()
        return metrics


def _allocate(file: Path) -> None:
    """Raises OSError if the disk is full. prometheus-client alone would map a sparse file, and a process that writes
    into a hole of a full disk is killed by SIGBUS."""
    with file.open("ab") as opened:
        opened.write(bytes(max(0, FILE_SIZE - opened.tell())))
