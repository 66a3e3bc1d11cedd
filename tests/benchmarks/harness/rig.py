"""The service as in production, with durable engines, and the reference applications."""

import asyncio
import os
import secrets
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import asyncpg
import httpx
import psutil
from argon2 import PasswordHasher

from adapters.tokens.key_files import make_key
from entrypoints.devserver import engines
from tests.benchmarks.harness.machine import ROOT
from tests.entrypoints.conftest import migrate
from tests.support.releases import Release
from tests.support.service import PASSWORD, Service, free_port

T = TypeVar("T")

SERVER = ["-m", "uvicorn", "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
SERVER += ["--log-level", "warning", "--ws", "none", "--no-server-header", "--no-proxy-headers"]
"""As `entrypoints/api.py` configures it."""

INSERT_USERS = """
INSERT INTO users (id, email, password_hash, role, verified_at, created_at, provenance)
SELECT uuidv7(), $1 || n || '@example.org', $2, 'member', now(), now(), 'self' FROM generate_series(1, $3::integer) n
"""


@dataclass(frozen=True, slots=True)
class BenchRig:
    """Its services share everything except their port."""

    folder: Path
    database_url: str
    redis_url: str
    services: list[Service]

    def service(self, *, processes: int = 1, root: Path = ROOT, **environ: str) -> Service:
        """Start a service of the code in `root`. Further ones are the same service on another port."""
        folder = self.folder / f"service{len(self.services)}"
        service = Release(root, folder, self.database_url, self.redis_url)
        service.environ["LATCHKEY_PROCESSES"] = str(processes)
        service.environ |= self._settings() | environ
        self.services.append(service)
        service.start_api()
        return service

    def add_users(self, name: str, many: int) -> list[str]:
        """Create verified users with the password PASSWORD. Returns their addresses."""
        # One hash for all; each login verifies it.
        self.run(
            lambda database: database.execute(INSERT_USERS, name, PasswordHasher(2, 19_456, 1).hash(PASSWORD), many)
        )
        return [f"{name}{number}@example.org" for number in range(1, many + 1)]

    def run(self, act: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run a coroutine function with a connection."""

        async def connected() -> T:
            connection = await asyncpg.connect(self.database_url)
            try:
                return await act(connection)
            finally:
                await connection.close()

        return asyncio.run(connected())

    def _settings(self) -> dict[str, str]:
        if self.services:
            first = self.services[0].environ
            return {name: first[name] for name in SHARED} | FIXED
        make_key(self.folder / "keys")
        made = (secrets.token_hex(32), secrets.token_hex(32), str(self.folder / "keys"))
        return dict(zip(SHARED, made, strict=True)) | FIXED


SHARED = ("LATCHKEY_SECRET_KEY", "LATCHKEY_ENCRYPTION_KEYS", "LATCHKEY_SIGNING_KEYS")
FIXED = {
    "LATCHKEY_ENV": "production",
    "LATCHKEY_PUBLIC_URL": "https://accounts.example.org",
    "LATCHKEY_SMTP_URL": "smtp://127.0.0.1:1",
    "LATCHKEY_RATE_LIMITS": "on",
}


@contextmanager
def bench_rig() -> Iterator[BenchRig]:
    with TemporaryDirectory(prefix="latchkey-bench-") as name:
        folder = Path(name)
        with engines.postgres(folder / "pg") as postgres, engines.valkey(folder / "valkey") as valkey:
            migrate(postgres.url)
            rig = BenchRig(folder, postgres.url, valkey.url, [])
            try:
                yield rig
            finally:
                for service in rig.services:
                    service.close_clients()
                    service.stop()


@contextmanager
def reference(python: str, app: str, **environ: str) -> Iterator[str]:
    """The URL of a reference on the same server as ours: one process, the same log level."""
    port = free_port()
    command = [python, *SERVER, "--port", str(port), f"tests.benchmarks.references.{app}:app"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ})
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"a reference ended with {process.returncode}")
        with suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(0.1)
    raise RuntimeError("a reference does not answer")


def resident_mib(folder: Path, database_url: str, redis_url: str) -> float:
    """MiB of an API process after some logins."""
    folder.mkdir()
    service = Service(folder, database_url, redis_url, processes=1)
    try:
        process = psutil.Process(service.start_api().process.pid)
        for _ in range(5):
            client = service.member()
            for _ in range(100):
                client.get("/v1/me").raise_for_status()
        return process.memory_info().rss / 2**20
    finally:
        service.close_clients()
        service.stop()
