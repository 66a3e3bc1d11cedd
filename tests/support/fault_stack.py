"""The whole service as processes that a test can kill one by one, with TCP proxies between them that it can cut."""

import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from redis import Redis

from entrypoints.devserver import engines
from tests.entrypoints.conftest import migrate
from tests.support.fake_smtp_server import FakeSmtpServer, fake_smtp_server
from tests.support.service import Client, Service, ServiceProcess, eventually, free_port
from tests.support.tcp_proxy import Proxy, proxy


class Api:
    """One API process with a port of its own, which it keeps after a restart."""

    def __init__(self, service: Service, environ: dict[str, str], module: str = "entrypoints.api") -> None:
        self._module = module
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._service = service
        self._environ = environ | {"LATCHKEY_PORT": str(self.port)}
        self.part = self._start_process()
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def _start_process(self) -> ServiceProcess:
        return self._service.start(self._module, **self._environ)

    def start(self) -> "Api":
        self.part = self._start_process()
        return self

    def stop(self) -> None:
        self.client.close()
        self.part.stop()

    def kill(self) -> None:
        self.part.process.kill()
        self.part.process.wait()

    def ready(self) -> bool:
        """Whether it is ready with all of its dependencies."""
        assert self.part.process.poll() is None, self.part.log.read_text()
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).text == '{"status":"ok"}'
        except httpx.TransportError:
            return False

    def wait(self, *, within: float = 60) -> "Api":
        eventually(self.ready, within=within)
        return self


class Stack:
    """A test may kill each part; `to_postgres` and `to_redis` are the TCP proxies by which processes connect."""

    def __init__(
        self,
        folder: Path,
        portal: BlockingPortal,
        postgres: engines.Postgres,
        valkey: engines.Valkey,
        smtp: FakeSmtpServer,
        wires: tuple[Proxy, Proxy],
    ) -> None:
        self.postgres, self.valkey, self.smtp, self._portal = postgres, valkey, smtp, portal
        self.to_postgres, self.to_redis = wires
        self.service = Service(folder, self.to_postgres.url, self.to_redis.url, processes=1)
        self.service.environ |= {
            "LATCHKEY_SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
            "LATCHKEY_PUBLIC_URL": "http://accounts.example.org",
        }
        del self.service.environ["LATCHKEY_MAIL_DIR"]
        self.apis: list[Api] = []
        self.workers: list[ServiceProcess] = []

    @property
    def direct_urls(self) -> dict[str, str]:
        """Settings for a process that connects directly, past the proxies."""
        return {"LATCHKEY_DATABASE_URL": self.postgres.url, "LATCHKEY_REDIS_URL": self.valkey.url}

    def add_api(self, module: str = "entrypoints.api", **environ: str) -> Api:
        self.apis.append(Api(self.service, environ, module))
        return self.apis[-1]

    def add_worker(self, **environ: str) -> ServiceProcess:
        self.workers.append(self.service.start("entrypoints.worker", **environ))
        return self.workers[-1]

    def kill_worker(self) -> None:
        """The oldest."""
        worker = self.workers.pop(0)
        worker.process.send_signal(signal.SIGKILL)
        worker.process.wait()

    def stop_workers(self) -> None:
        """Stop them by SIGTERM one after another, as a deployment does."""
        while self.workers:
            assert self.workers.pop(0).stop() == 0

    def client(self, number: int = 0) -> Client:
        return self.service.client(self.apis[number].url)

    @contextmanager
    def any(self) -> Iterator[Api]:
        yield random.choice(self.apis)

    def wait(self, *, within: float = 60) -> None:
        for api in self.apis:
            api.wait(within=within)

    def sql(self, statement: str, *parameters: Any) -> list[asyncpg.Record]:
        """Run a statement directly in the database, past the proxy."""
        rows: list[asyncpg.Record] = self._portal.call(self._sql, statement, parameters)
        return rows

    async def _sql(self, statement: str, parameters: tuple[Any, ...]) -> list[asyncpg.Record]:
        # Also if the database is read-only.
        writing = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(self.postgres.url, server_settings=writing)
        try:
            return list(await connection.fetch(statement, *parameters))
        finally:
            await connection.close()

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Reads and writes of the table wait until the block ends."""
        with self.lock_held(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"):
            yield

    @contextmanager
    def lock_held(self, lock: str) -> Iterator[None]:
        """Hold the locks of the statement until the block ends."""
        holder = self._portal.call(asyncpg.connect, self.postgres.url)
        self._portal.call(holder.execute, f"BEGIN; {lock}")
        try:
            yield
        finally:
            self._portal.call(holder.close)

    def waiting(self, statement: str) -> int:
        """How many statements that begin like this wait for a lock."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND starts_with(query, $1)"
        number: int = self.sql(query, statement)[0][0]
        return number

    # -- mail ------------------------------------------------------------------------------------------

    def queue_mails(self, *recipients: str, kind: str = "session_stolen", created_at: str = "now") -> None:
        """Insert mails without notifying the workers; a worker may find them at any time."""
        self.sql(
            "INSERT INTO mails (id, kind, recipient, created_at, due_at, attempts, note)"
            " SELECT gen_random_uuid(), $2, unnest($1::text[]), $3::text::timestamptz, now(), 0, ''",
            list(recipients),
            kind,
            created_at,
        )

    def mail_status(self, recipient: str) -> tuple[str | None, str]:
        """The outcome and the note of the only mail to this recipient."""
        ((outcome, note),) = self.sql("SELECT outcome, note FROM mails WHERE recipient = $1", recipient)
        return outcome, note

    def pending_mails(self) -> int:
        number: int = self.sql("SELECT count(*) FROM mails WHERE outcome IS NULL")[0][0]
        return number

    def cut(self, wire: Proxy) -> None:
        self._portal.call(wire.cut)

    def mend(self, wire: Proxy) -> None:
        self._portal.call(wire.mend)

    def redis(self) -> "Redis":
        """A client directly connected to Redis, past the proxy."""
        return Redis.from_url(self.valkey.url)


@contextmanager
def fault_stack(folder: Path) -> Iterator[Stack]:
    """PostgreSQL, Valkey, the SMTP server and the TCP proxies. A test adds API processes and workers."""
    with ExitStack() as parts:
        postgres = parts.enter_context(engines.postgres(folder / "pg", durable=False))
        valkey = parts.enter_context(engines.valkey(folder / "valkey"))
        smtp = parts.enter_context(fake_smtp_server())
        portal = parts.enter_context(start_blocking_portal())
        wires = tuple(
            parts.enter_context(portal.wrap_async_context_manager(proxy(url))) for url in (postgres.url, valkey.url)
        )
        migrate(postgres.url)
        stack = Stack(folder, portal, postgres, valkey, smtp, (wires[0], wires[1]))
        try:
            yield stack
        finally:
            for wire in wires:
                stack.mend(wire)
            for api in stack.apis:
                api.client.close()
            stack.service.close_clients()
            stack.service.stop()
