"""Logging: one line for each event, JSON in production, readable in development. Secrets are never logged."""

import logging
import sys
from contextlib import suppress
from typing import IO, Any, TextIO, cast

import structlog

from entrypoints.settings import Settings

FIELDS = ("problem", "sqlstate")
"""Fields that adapters add to an event as `extra`. Fields of libraries are not logged: they may be private."""


class LossyStream:
    """A stream that drops what cannot be written, so that a full disk does not stop the service. The stream is None
    in a process that was started with standard output closed."""

    def __init__(self, stream: IO[Any] | None) -> None:
        self._stream = stream

    def write(self, text: Any) -> None:
        with suppress(OSError):
            if self._stream is not None:
                self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            if self._stream is not None:
                self._stream.flush()


def configure_logs(settings: Settings) -> None:
    out = LossyStream(sys.stdout)
    plain = structlog.dev.ConsoleRenderer(
        colors=sys.stdout is not None and sys.stdout.isatty(),
        exception_formatter=structlog.dev.plain_traceback,  # other formatters print local variables
    )
    last = plain if settings.development else structlog.processors.JSONRenderer()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    errors = [] if settings.development else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *errors, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", out)),
        cache_logger_on_first_use=True,
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    # Lines of libraries go through the same handler, so that they are events too.
    handler = logging.StreamHandler(out)
    fields = structlog.stdlib.ExtraAdder(FIELDS)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[remove, *errors, last], foreign_pre_chain=[*shared, fields])
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def warn_about_settings(settings: Settings) -> None:
    """Call it once for each service, in its first process."""
    if settings.unknown:
        structlog.get_logger().warning("unknown_settings", names=list(settings.unknown))
    if settings.service_links:
        hint = "set by Kubernetes or Docker for a service of this name; enableServiceLinks: false stops that"
        structlog.get_logger().info("service_links_ignored", names=list(settings.service_links), hint=hint)
