"""The parts of the service on one machine, started in order, watched, and stopped in reverse order."""

import http.client
import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from entrypoints.devserver.child import Child
from entrypoints.devserver.engine import HOST, Engine, free_port
from entrypoints.devserver.lock import make_private, write_private
from entrypoints.devserver.postgres_engine import Postgres
from entrypoints.devserver.valkey_engine import Valkey
from entrypoints.settings.files import ROOT

DATABASE, REDIS, SMTP = "LATCHKEY_DATABASE_URL", "LATCHKEY_REDIS_URL", "LATCHKEY_SMTP_URL"
START_TIMEOUT = 60
STOP_TIMEOUT = 10


class ProcessFailed(Exception):
    """A part has ended or is not ready in time. The message names it and has the end of its output."""


class StopRequested(Exception):
    """A signal has requested to stop."""


class DevStack:
    def __init__(
        self,
        data: Path,
        environ: Mapping[str, str],
        stop_requested: Callable[[], bool],
        *,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`stop_requested` is polled during every wait. `report` gets a line for each step of the start."""
        self.data = data
        self._report = report
        self._environ = dict(environ)
        self._stop_requested = stop_requested
        self._engines: dict[str, Engine] = {}
        self._parts: dict[str, Child] = {}
        if DATABASE not in environ:
            self._engines[DATABASE] = Postgres(data / "postgres")
        if REDIS not in environ:
            self._engines[REDIS] = Valkey(data / "valkey")

    def open(self) -> None:
        """Raises ProcessFailed, StopRequested, or what an engine raises."""
        running_file = self.data / "running.json"
        running_file.unlink(missing_ok=True)
        own = self._engines.get(DATABASE)
        fresh = isinstance(own, Postgres) and own.fresh
        # By the time that an empty database exists, the API has loaded nearly all modules of a migration.
        schema = "absent" if fresh else "there"
        self._start("api", "-m", "entrypoints.devserver.preload", "entrypoints.api", str(running_file), schema)
        if self._engines:
            database_note = f" (a new database in {self.data}, which takes a moment)" if fresh else ""
            names = {DATABASE: f"PostgreSQL{database_note}", REDIS: "Valkey"}
            self._report("Starting " + " and ".join(names[setting] for setting in self._engines))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda engine: engine.start(), self._engines.values()))
        self._environ |= {name: engine.url for name, engine in self._engines.items()}
        if SMTP not in self._environ:
            self._catch_mail()
        if not fresh:
            self._migrate()
        self._report("Starting the API" + (", which makes the schema" if fresh else ""))
        urls = {name: self._environ[name] for name in (DATABASE, REDIS, SMTP)}
        write_private(running_file, json.dumps(urls, indent=2) + "\n")

    def wait_until_ready(self, host: str, port: int) -> None:
        """Start the worker last, when the schema exists. Raises ProcessFailed or StopRequested."""
        deadline = time.monotonic() + START_TIMEOUT
        while (answer := _health(host, port)) != "200":
            self.check()
            if time.monotonic() > deadline:
                raise ProcessFailed(f"The API is not ready: {answer}\n{self._parts['api'].tail()}")
            time.sleep(0.03)
        self._report("Starting the worker")
        self._start("worker", "-m", "entrypoints.worker")

    def check(self) -> None:
        """Raises ProcessFailed or StopRequested."""
        if self._stop_requested():
            raise StopRequested
        for name, part in self._parts.items():
            if not part.alive():
                raise ProcessFailed(f"The {name} has ended ({part.returncode}). {part.log} says:\n{part.tail()}")
        for engine in self._engines.values():
            if not engine.alive():
                raise ProcessFailed(f"{type(engine).__name__} has ended. {engine.log} says:\n{engine.tail()}")

    def new_output(self) -> list[str]:
        """The log lines of the parts since the last call."""
        width = max(map(len, self._parts), default=0)
        return [f"{name:{width}} | {line}" for name, part in self._parts.items() for line in part.new_output()]

    def close(self) -> None:
        (self.data / "running.json").unlink(missing_ok=True)
        catcher = self._parts.pop("mail", None)
        for part in self._parts.values():
            part.request_stop()
        deadline = time.monotonic() + STOP_TIMEOUT
        for part in self._parts.values():
            part.stop(max(0.0, deadline - time.monotonic()))
        if catcher:
            catcher.stop()
        for engine in self._engines.values():
            engine.stop()

    def _catch_mail(self) -> None:
        port = free_port()
        folder = make_private(self.data / "mailbox")
        self._report("Starting the mail catcher")
        self._environ[SMTP] = f"smtp://{HOST}:{port}"
        self._start("mail", "-m", "entrypoints.devserver.mail_catcher", "--port", str(port), "--folder", str(folder))

    def _migrate(self) -> None:
        # Imported here, because it takes a tenth of a second, while the API is already loading.
        from entrypoints.devserver.migration import is_current, open_enrolment

        # A database of the environment may need options that are unknown here, and other processes may use it.
        if DATABASE not in self._engines:
            self._run_migration()
            return
        if not is_current(self._environ[DATABASE]):
            self._run_migration()
        open_enrolment(self._environ[DATABASE])

    def _run_migration(self) -> None:
        self._report("Migrating the database")
        self._start("migration", "-m", "entrypoints.migrate")
        migration = self._parts["migration"]
        while migration.alive():
            if self._stop_requested():
                raise StopRequested
            time.sleep(0.02)
        if migration.returncode != 0:
            self.check()
        del self._parts["migration"]

    def _start(self, name: str, *arguments: str) -> None:
        log = make_private(self.data / "logs") / f"{name}.log"
        with suppress(FileNotFoundError):
            log.replace(log.with_suffix(".log.before"))
        # Unbuffered, so that its output is in the log at once.
        environ = self._environ | {"PYTHONUNBUFFERED": "1"}
        self._parts[name] = Child([sys.executable, *arguments], log=log, cwd=ROOT, environ=environ)


def _health(host: str, port: int) -> str:
    """The status of /health/ready, and the body unless it is 200."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        return "200" if answer.status == 200 else f"{answer.status} {answer.read(500).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
