"""One line an event: JSON for machines in production, readable in development. Never a secret: see the tests."""

import logging
import sys

import structlog

from entrypoints.settings import Settings


def configure_logs(settings: Settings) -> None:
    plain = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(),
        exception_formatter=structlog.dev.plain_traceback,  # others print locals
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
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    # Libraries speak through the same door, so that their lines are events too.
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[remove, *errors, last], foreign_pre_chain=shared)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    if settings.unknown:
        structlog.get_logger().warning("settings that mean nothing", names=list(settings.unknown))
