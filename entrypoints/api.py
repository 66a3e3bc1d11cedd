"""`make api`: the HTTP service, in as many processes as are set."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import structlog
import uvicorn

from entrypoints.container import Container
from entrypoints.logs import configure_logs
from entrypoints.metrics import COUNTS
from entrypoints.schema import SchemaError, insist_at_start
from entrypoints.settings import SettingsError, load

PATIENCE = 30
"""Seconds until a process that says nothing is killed. It says nothing while it loads, and on a busy machine that
takes longer than the usual five: then the next is killed too, and so on, and nobody is ever served."""


def main() -> None:
    try:
        settings = load()
        container = Container(settings=settings)
        container.access_sealer()
        insist_at_start(container.engine())
    except (SettingsError, SchemaError, ValueError) as error:
        sys.exit(f"Latchkey cannot start.\n{error}")
    configure_logs(settings)
    structlog.get_logger().info("serving", host=settings.host, port=settings.port, processes=settings.processes)
    with _counting_together(settings.processes):
        uvicorn.run(
            "entrypoints.http.app:serve",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.processes,
            loop="uvloop",
            http="httptools",
            lifespan="on",
            ws="none",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            log_config=None,
            timeout_graceful_shutdown=10,
            timeout_worker_healthcheck=PATIENCE,
        )


@contextmanager
def _counting_together(processes: int) -> Iterator[None]:
    """A process that serves alone counts alone."""
    if processes == 1:
        yield
        return
    with TemporaryDirectory(prefix="latchkey-") as folder:
        os.environ[COUNTS] = folder
        yield


if __name__ == "__main__":
    main()
