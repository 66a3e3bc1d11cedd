"""Starts, watches and stops child processes."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

# Linux sends the parent-death signal when the thread that started the child ends. So one thread, which lives as long
# as this process, starts all children.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")


UNPRIVILEGED = "nobody"
"""The Unix user that PostgreSQL runs as when root starts it. Also the name of that identity."""


def launcher(identity: str, stop_signal: signal.Signals) -> list[str]:
    """Prefix of a command that runs it with this identity and sends it `stop_signal` when the parent dies. Both
    programs are part of util-linux. Without it (macOS), the next start kills a command that outlived its parent."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    change_user: list[str] = []
    if identity == UNPRIVILEGED:
        account = pwd.getpwnam(UNPRIVILEGED)
        change_user = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    mapping = mapped_launcher() if identity == "mapped" else []
    return [*mapping, setpriv, *change_user, f"--pdeathsig={stop_signal.name.removeprefix('SIG')}", "--"]


def mapped_launcher() -> list[str]:
    """Prefix of a command of root that maps its user id to an unprivileged one, because PostgreSQL refuses to run as
    root. In a user namespace its files still belong to root, so no folder has to be readable by others."""
    account = pwd.getpwnam(UNPRIVILEGED)
    return ["unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}", "--"]


class Child:
    """A running process in a process group of its own, so that a terminal signals the parent alone."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path,
        environ: Mapping[str, str],
        stop_signal: signal.Signals = signal.SIGTERM,
        identity: str = "self",
    ) -> None:
        """`stop_signal` stops the process; the kernel sends it if this process dies first."""
        self.log = log
        self._stop_signal = stop_signal
        with log.open("ab") as output:
            self._began = self._reported = output.tell()
            self._process = _spawner.submit(
                subprocess.Popen[bytes],
                [*launcher(identity, stop_signal), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=environ,
                start_new_session=True,
                umask=0o077,
            ).result()

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self, seconds: float = 10) -> None:
        """Stop the process, and kill it after `seconds`."""
        self.request_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def request_stop(self) -> None:
        if self.alive():
            self._process.send_signal(self._stop_signal)

    def kill(self) -> None:
        """Send SIGKILL to the process and its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def output(self) -> str:
        """The output since the start."""
        return self._read_output(self._began).decode(errors="replace")

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.output().splitlines()[-lines:])

    def new_output(self) -> list[str]:
        """The output lines since the last call."""
        lines, newline, _ = self._read_output(self._reported).rpartition(b"\n")
        self._reported += len(lines) + len(newline)
        return lines.decode(errors="replace").splitlines()

    def _read_output(self, since: int) -> bytes:
        with self.log.open("rb") as output:
            output.seek(since)
            return output.read()


def kill_orphan(pid_file: Path, mark: str, stop_signal: signal.Signals) -> None:
    """Stop the process of a pid file from an earlier run if its command line contains `mark`.

    Otherwise the process id belongs to another process by now. The file is removed afterwards.
    """
    try:
        pid = int(pid_file.read_text().split(maxsplit=1)[0])
    except (FileNotFoundError, ValueError, IndexError):
        pid_file.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + 10
    with suppress(ProcessLookupError):
        while mark in command_line(pid):
            os.kill(pid, stop_signal if time.monotonic() < deadline else signal.SIGKILL)
            time.sleep(0.1)
    pid_file.unlink(missing_ok=True)


def command_line(pid: int) -> str:
    """Empty if there is no such process, or if it is a zombie."""
    with suppress(FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return run_to_end(["/bin/ps", "-p", str(pid), "-o", "command="]).stdout
    return ""


def run_to_end(
    command: Sequence[str], *, stdin: str = "", cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with standard output and error together."""
    return subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=environ,
        check=False,
    )
