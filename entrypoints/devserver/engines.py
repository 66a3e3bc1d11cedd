"""Embedded engines from wheels, as child processes, for `make run` and the tests.

    with postgres(folder) as database, valkey(other_folder) as redis:
        ...  # database.url, redis.url; kill() and start() to see what happens

A folder belongs to one engine. An engine that is started on it again has the same data and password, and the same
port unless another process has taken it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from entrypoints.devserver.engine import Engine, EngineFailed
from entrypoints.devserver.lock import AlreadyLocked
from entrypoints.devserver.postgres_engine import Postgres
from entrypoints.devserver.privileges import MissingPrivileges
from entrypoints.devserver.valkey_engine import Valkey

__all__ = ["AlreadyLocked", "Engine", "EngineFailed", "MissingPrivileges", "Postgres", "Valkey", "postgres", "valkey"]


@contextmanager
def postgres(folder: Path, *, options: Mapping[str, str] | None = None, durable: bool = True) -> Iterator[Postgres]:
    engine = Postgres(folder, options=options, durable=durable)
    with _running(engine):
        yield engine


@contextmanager
def valkey(folder: Path) -> Iterator[Valkey]:
    engine = Valkey(folder)
    with _running(engine):
        yield engine


@contextmanager
def _running(engine: Engine) -> Iterator[None]:
    try:
        engine.start()
        yield
    finally:
        engine.stop()
