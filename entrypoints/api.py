"""`make api`: the HTTP service in LATCHKEY_PROCESSES processes."""

import gc
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Any, cast

if __name__ != "entrypoints.api":
    # Only when run, not when imported: exit silently on a signal before the server installs its handlers.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Loaded modules are never garbage; collections meanwhile would take a seventh of the start-up time.
    gc.disable()
    # structlog imports rich if it is installed, to colour tracebacks: four megabytes that a server does not use.
    sys.modules.setdefault("rich", cast("Any", None))

import structlog
from uvicorn import Config

from entrypoints.container import Container
from entrypoints.http.bounds import connection_limit
from entrypoints.http.draining import DrainingHttpProtocol, serve
from entrypoints.listening import cannot_listen
from entrypoints.observability.logs import configure_logs, warn_about_settings
from entrypoints.observability.metrics import MULTIPROCESS_DIR
from entrypoints.own_templates import require_templates
from entrypoints.schema import SchemaError, require_schema_at_start
from entrypoints.settings import Settings, SettingsError, load

gc.freeze()
gc.enable()

HEALTH_CHECK_TIMEOUT = 30
"""Seconds after which the supervisor kills a process that does not answer. A process does not answer while it loads,
which takes longer than uvicorn's default of five seconds on a busy machine."""

SHUTDOWN_GRACE = 10
"""Seconds that requests in flight get when the process stops."""


def main() -> None:
    try:
        settings = load()
        require_templates(settings)
        container = Container(settings=settings)
        container.access_codec()
        require_schema_at_start(container.database())
        _require_port(settings)
    except (SettingsError, SchemaError, ValueError) as error:
        sys.exit(f"Latchkey cannot start.\n{error}")
    configure_logs(settings)
    warn_about_settings(settings)
    _raise_file_limit()
    structlog.get_logger().info("serving", host=settings.host, port=settings.port, processes=settings.processes)
    with _multiprocess_metrics(settings.processes):
        serve(
            Config(
                "entrypoints.http.app:serve",
                factory=True,
                host=settings.host,
                port=settings.port,
                workers=settings.processes,
                loop="uvloop",
                http=DrainingHttpProtocol,
                backlog=min(2048, connection_limit() // 2),
                lifespan="on",
                ws="none",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                log_config=None,
                timeout_graceful_shutdown=SHUTDOWN_GRACE,
                timeout_worker_healthcheck=HEALTH_CHECK_TIMEOUT,
            ),
            drain_seconds=settings.drain.total_seconds(),
        )


def _raise_file_limit() -> None:
    """Each connection is a file, and many systems allow 1,024 unless a program asks for more."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS reports a higher limit than it allows
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def _require_port(settings: Settings) -> None:
    """Raises SettingsError."""
    if reason := cannot_listen(settings.host, settings.port):
        raise SettingsError(reason)


@contextmanager
def _multiprocess_metrics(processes: int) -> Iterator[None]:
    """The folder of prometheus-client's multiprocess mode."""
    os.environ.pop(MULTIPROCESS_DIR, None)
    if processes == 1:
        yield
        return
    try:
        folder = TemporaryDirectory(prefix="latchkey-", ignore_cleanup_errors=True)
    except OSError as error:  # such as a root file system that is read-only
        structlog.get_logger().warning("metrics_per_process", problem=error.strerror)
        yield
        return
    with folder as path:
        os.environ[MULTIPROCESS_DIR] = path
        yield


if __name__ == "__main__":
    main()
