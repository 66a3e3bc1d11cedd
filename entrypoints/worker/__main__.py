"""`python -m entrypoints.worker`: delivers queued mails and purges expired rows.

The process has no state of its own: the outbox holds the queued mails, and a mail whose worker died is due again
when its lease ends. So Redis may be down, and notifications may be lost or duplicated.
"""

import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from queue import SimpleQueue
from typing import Any

if __name__ == "__main__":
    # Only when run, not when imported: exit silently on SIGINT before `run` installs its handlers.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # as in `entrypoints/api.py`

import dramatiq
import structlog

from adapters.redis.dramatiq_queue import ACTOR, QUEUE, make_broker
from application.mail.deliver_mail import DeliverMail
from application.maintenance.purge_expired import PurgeExpired
from entrypoints.container import Container, close
from entrypoints.observability.logs import configure_logs, warn_about_settings
from entrypoints.own_templates import require_templates
from entrypoints.schema import SchemaError, require_schema_at_start
from entrypoints.settings import SettingsError, load
from entrypoints.worker.outbox_worker import CONCURRENCY, OutboxWorker
from entrypoints.worker.purge_worker import PurgeWorker

gc.freeze()
gc.enable()

log = structlog.get_logger(__name__)


def run(
    deliver: DeliverMail, purge: PurgeExpired, *, redis_url: str, close: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Return after SIGTERM or SIGINT; a second one does not wait. `close` is awaited last, on the worker's loop."""
    signals: SimpleQueue[int] = SimpleQueue()  # unlike an Event, it is safe in a signal handler

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        signals.put(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    broker = make_broker(redis_url, deadline=2.0)
    broker.add_middleware(PurgeWorker(purge))
    outbox = OutboxWorker(deliver, close=close)
    broker.add_middleware(outbox)
    dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=broker)(outbox.on_message)
    worker = dramatiq.Worker(broker, worker_threads=CONCURRENCY)
    worker.start()
    log.info("worker_started")
    log.info("worker_stopping", signal=signals.get())
    # Sends have finished or timed out by now. Only threads are left, which would never end without Redis.
    worker.stop(timeout=1000)
    broker.client.close()


def main() -> None:
    try:
        settings = load(mails=True)
        require_templates(settings)
        container = Container(settings=settings)
        require_schema_at_start(container.database())
    except (SettingsError, SchemaError) as error:
        sys.exit(f"Latchkey cannot start.\n{error}")
    configure_logs(settings)
    warn_about_settings(settings)
    run(
        container.deliver_mail(),
        container.purge_expired(),
        redis_url=settings.redis_url,
        close=partial(close, container),
    )


if __name__ == "__main__":
    main()
