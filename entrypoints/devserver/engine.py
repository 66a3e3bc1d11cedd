"""Base class of embedded engines: a folder, a password, a port, and one child process."""

import re
import signal
import socket
import time
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from entrypoints.devserver.child import Child, kill_orphan
from entrypoints.devserver.lock import Lock, stored_secret

HOST = "127.0.0.1"

# Transient errors at start: processes of a killed engine still run, or another process took the port.
PASSING = re.compile(r"pre-existing shared memory|ddress already in use|could not create any TCP/IP sockets")


class EngineFailed(Exception):
    """The engine did not start. The message contains its output."""


class Engine(ABC):
    stop_signal: signal.Signals

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.port = 0
        self._known = False
        self._child: Child | None = None
        self._lock: Lock | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL with password. Known after the first start."""

    @abstractmethod
    def _prepare(self) -> tuple[Path, str]:
        """Initialize the folder if needed. Returns the pid file, and a text that the command line contains."""

    @abstractmethod
    def _launch(self) -> Child: ...

    @abstractmethod
    def _ready(self, child: Child) -> bool: ...

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def password(self) -> str:
        return stored_secret(self.folder / "password")

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def alive(self) -> bool:
        return self._child is not None and self._child.alive()

    def tail(self) -> str:
        return self._child.tail() if self._child else ""

    def start(self, seconds: float = 30) -> Self:
        """Start, and return when the engine answers. Callable from any thread. Raises EngineFailed, AlreadyLocked or
        MissingPrivileges."""
        if self._child:
            self.kill()
        self._lock = Lock(self.folder)
        try:
            kill_orphan(*self._prepare(), self.stop_signal)
            self._start(time.monotonic() + seconds)
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Stop the engine, and kill it after ten seconds."""
        if self._child:
            self._child.stop()
        self.kill()

    def kill(self) -> None:
        """Kill the engine. It can be started again."""
        if self._child:
            self._child.kill()
        if self._lock:
            self._lock.release()
        self._child = self._lock = None

    def _start(self, deadline: float) -> None:
        while True:
            self.port = self._choose_port()
            self._child = child = self._launch()
            while child.alive() and not self._ready(child) and time.monotonic() < deadline:
                time.sleep(0.02)
            if child.alive() and time.monotonic() < deadline:
                break
            child.kill()
            if time.monotonic() >= deadline or not PASSING.search(child.output()):
                raise EngineFailed(f"{type(self).__name__} did not start:\n{child.tail()}")
            time.sleep(0.1)
        (self.folder / "port").write_text(str(self.port))
        self._known = True

    def _choose_port(self) -> int:
        """The port that clients of this object know, or else that of the last run if it is free, or else any free
        port."""
        if self._known:
            return self.port
        file = self.folder / "port"
        last = int(file.read_text()) if file.exists() else 0
        return last if last and refusal(HOST, last) is None else free_port()


def refusal(host: str, port: int) -> str | None:
    """Why nothing can listen there, or None."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error).rstrip(".")
    return None


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind((HOST, 0))
        return int(trial.getsockname()[1])


def wheel_folder(package: str) -> Path:
    """The folder of an installed package, which is not imported. Raises EngineFailed if it is missing."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineFailed(f"{package} is not installed; `make run` installs it, requirements-run.lock lists it")
    return Path(spec.submodule_search_locations[0]).resolve()
