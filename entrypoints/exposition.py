"""The numbers as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.0 for who asks for that."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from adapters.postgres.postgres_backlog import Backlog
from entrypoints.metrics import BOUNDS, Counted


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def exposition(
    counted: Counted, up: dict[str, bool], backlog: Backlog | None, *, lost: int | None = None, openmetrics: bool
) -> bytes:
    families = _Families([*_counted(counted), *_looked_up(up, backlog), *_lost(lost)])
    if openmetrics:
        write: Callable[[Collector], bytes] = generate_openmetrics  # untyped where it comes from
        return write(families)
    return generate_latest(families)


def _counted(counted: Counted) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "latchkey_http_requests", "HTTP requests answered.", labels=["method", "route", "status"]
    )
    for ((method, route), status), number in counted.requests.items():
        requests.add_metric([method, route, status], number)
    yield requests
    durations = HistogramMetricFamily(
        "latchkey_http_request_duration_seconds",
        "Time from the end of the request head to the end of the response.",
        labels=["method", "route"],
    )
    for call, buckets in counted.buckets.items():
        durations.add_metric(list(call), list(_cumulated(buckets)), counted.seconds[call])
    yield durations
    errors = CounterMetricFamily("latchkey_errors", "Problem documents sent, by code.", labels=["code"])
    for code, number in counted.refusals.items():
        errors.add_metric([code], number)
    yield errors
    logins = CounterMetricFamily("latchkey_logins", "Login attempts, by outcome.", labels=["outcome"])
    for outcome, number in counted.logins.items():
        logins.add_metric([outcome], number)
    yield logins
    hashes = GaugeMetricFamily("latchkey_password_hashes", "Passwords being hashed or waiting.", labels=["state"])
    for state, number in counted.hashes.items():
        hashes.add_metric([state], number)
    yield hashes


def _cumulated(buckets: list[float]) -> Iterator[tuple[str, float]]:
    below = 0.0
    for bound, number in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
        below += number
        yield bound, below


def _looked_up(up: dict[str, bool], backlog: Backlog | None) -> Iterator[Metric]:
    dependencies = GaugeMetricFamily(
        "latchkey_dependency_up", "Whether a dependency answers in time.", labels=["dependency"]
    )
    for dependency, answers in up.items():
        dependencies.add_metric([dependency], float(answers))
    yield dependencies
    if backlog is None:  # unknown, which is not the same as none
        return
    yield GaugeMetricFamily("latchkey_outbox_pending", "Mails waiting to be sent.", backlog.owed)
    yield GaugeMetricFamily("latchkey_outbox_parked", "Mails that could not be delivered.", backlog.parked)
    yield GaugeMetricFamily(
        "latchkey_outbox_lag_seconds",
        "How long the most overdue mail has been due.",
        backlog.overdue / timedelta(seconds=1),
    )
    yield GaugeMetricFamily(
        "latchkey_outbox_oldest_age_seconds",
        "Age of the oldest mail waiting to be sent.",
        backlog.oldest / timedelta(seconds=1),
    )


def _lost(lost: int | None) -> Iterator[Metric]:
    if lost is not None:
        yield GaugeMetricFamily("latchkey_revocations_lost", "Sessions revoked in Redis but not in PostgreSQL.", lost)
