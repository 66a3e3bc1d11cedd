"""Debian's PgBouncer in transaction mode, with four server connections a database."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import asyncpg
from sqlalchemy import URL, make_url

from tests.support.programs import program
from tests.support.service import DatabaseFactory, eventually, free_port

SERVERS = 4

CONFIG = """
[databases]
* = host={host} port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
admin_users = {user}
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 500
server_login_retry = 1
"""
"""By default it waits for 15 seconds after a server has refused a connection."""


class PgBouncer:
    def __init__(self, database_url: str) -> None:
        self._program = program("pgbouncer")
        self._behind = make_url(database_url)
        self.port = free_port()
        # It refuses to run as root; its user has to be able to read its files again at a reload.
        self._folder = Path(tempfile.mkdtemp(prefix="latchkey-pgbouncer-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        behind = self._behind
        (self._folder / "users").write_text(f'"{behind.username}" "{behind.password}"\n')
        (self._folder / "pgbouncer.ini").write_text(
            CONFIG.format(
                host=behind.host,
                server=behind.port,
                port=self.port,
                folder=self._folder,
                user=behind.username,
                servers=SERVERS,
            )
        )
        if self._user is not None:
            number = pwd.getpwnam(self._user).pw_uid
            for path in (*self._folder.iterdir(), self._folder):
                os.chown(path, number, -1)
        self.start()

    def through(self, database_url: str) -> str:
        """The URL of the same database through this PgBouncer."""
        url: URL = make_url(database_url).set(port=self.port, host="127.0.0.1")
        return url.update_query_dict({"pgbouncer": "true"}).render_as_string(hide_password=False)

    def empty_database(self) -> str:
        """A database without a schema; its URL leads through this PgBouncer."""
        name = f"empty{uuid4().hex}"
        self._at(self._behind, f'CREATE DATABASE "{name}"')
        return self.through(self._behind.set(database=name).render_as_string(hide_password=False))

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, self._folder / "pgbouncer.ini"],
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

        def listening() -> bool:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        eventually(listening)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def was_used(self) -> bool:
        """Whether a client has connected to a database through this PgBouncer."""
        return "login attempt: db=" in (self._folder / "log").read_text()

    def tell(self, command: str) -> None:
        """Run an admin command: PAUSE, RESUME, RELOAD …"""
        self._at(self._behind.set(port=self.port, host="127.0.0.1", database="pgbouncer"), command)

    def hang_up(self) -> None:
        """Close every server connection of PgBouncer, as after a failover."""
        self._at(
            self._behind,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )

    def _at(self, url: URL, command: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(url.render_as_string(hide_password=False))
            try:
                await connection.execute(command)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(asyncio.run, run()).result()


class DatabasesBehindPgBouncer:
    """A factory of databases whose URLs lead through one PgBouncer."""

    def __init__(self, databases: DatabaseFactory) -> None:
        self._databases = databases
        self.bouncer = PgBouncer(databases()[0])

    def __call__(self) -> tuple[str, str]:
        database_url, redis_url = self._databases()
        return self.bouncer.through(database_url), redis_url
