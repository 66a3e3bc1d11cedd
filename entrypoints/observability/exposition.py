"""Metrics in the text format of Prometheus (0.0.4) or in OpenMetrics 1.0.0."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from adapters.postgres.outbox_backlog import Backlog
from entrypoints.observability.metrics import Metrics


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def exposition(
    metrics: Metrics, up: dict[str, bool], backlog: Backlog | None, *, lost: int | None = None, openmetrics: bool
) -> bytes:
    families = _Families([*metrics.collect(), *_dependencies(up, backlog), *_lost(lost)])
    write: Callable[[Collector], bytes] = generate_openmetrics if openmetrics else generate_latest
    return write(families)


def _dependencies(up: dict[str, bool], backlog: Backlog | None) -> Iterator[Metric]:
    dependencies = GaugeMetricFamily(
        "latchkey_dependency_up", "Whether a dependency answers in time.", labels=["dependency"]
    )
    for name, answers in up.items():
        dependencies.add_metric([name], float(answers))
    yield dependencies
    if backlog is None:  # unknown, which is not the same as zero
        return
    yield GaugeMetricFamily("latchkey_outbox_pending", "Mails waiting to be sent.", backlog.pending)
    yield GaugeMetricFamily("latchkey_outbox_parked", "Mails that could not be delivered.", backlog.parked)
    yield GaugeMetricFamily(
        "latchkey_outbox_lag_seconds",
        "How long the most overdue mail has been due.",
        backlog.lag / timedelta(seconds=1),
    )
    yield GaugeMetricFamily(
        "latchkey_outbox_oldest_age_seconds",
        "Age of the oldest mail waiting to be sent.",
        backlog.oldest_age / timedelta(seconds=1),
    )


def _lost(lost: int | None) -> Iterator[Metric]:
    if lost is not None:
        yield GaugeMetricFamily("latchkey_revocations_lost", "Sessions revoked in Redis but not in PostgreSQL.", lost)
