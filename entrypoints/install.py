"""Install what a lock file names, and show the progress: `python install.py requirements-run.lock`.

Run by its path, with the standard library alone: nothing is installed yet.
"""

import os
import re
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

TERMINAL_INTERVAL, LOG_INTERVAL = 0.2, 5.0
"""Seconds between two reports, at a terminal and elsewhere."""
PIP = (
    *("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--require-hashes"),
    *("--progress-bar", "off", "-r"),
)


def required_names(lock: Path) -> set[str]:
    """The names that the lock has for this machine, as pip writes them."""
    lines = re.findall(r"^[A-Za-z0-9][^\\\n]*", lock.read_text(), re.MULTILINE)
    requirements = [Requirement(line.strip()) for line in lines]
    return {
        _name(requirement.name)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def _installed() -> set[str]:
    folders = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    return {_name(folder.name.partition("-")[0]) for folder in folders}


class Report:
    """A line that is written again at a terminal; elsewhere a line now and then."""

    def __init__(self, names: set[str], folder: str) -> None:
        self._names, self._folder = names, folder
        self._watched = sys.stderr.isatty()
        self._reported, self._shown = 0.0, ""
        self.collected: set[str] = set()
        self._write(f"Installing {len(names)} packages into {folder}", last=True)

    def update(self) -> None:
        now = time.monotonic()
        if now - self._reported < (TERMINAL_INTERVAL if self._watched else LOG_INTERVAL):
            return
        self._reported = now
        done = len(self._names & _installed())
        word, count = ("installed", done) if done else ("downloaded", len(self.collected & self._names))
        self._write(f"  {count} of {len(self._names)} {word}")

    def end(self) -> None:
        self._write(f"  {len(self._names & _installed())} of {len(self._names)} installed", last=True)

    def _write(self, line: str, *, last: bool = False) -> None:
        if self._watched:
            sys.stderr.write(f"\r\x1b[K{line}" + "\n" * last)
        elif line != self._shown:
            sys.stderr.write(f"{line}\n")
        self._shown = line
        sys.stderr.flush()


def install(lock: Path) -> int:
    """The exit status of pip, whose errors go to standard error."""
    report = Report(required_names(lock), Path(sys.prefix).name)
    process = subprocess.Popen(
        [sys.executable, *PIP, str(lock)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
        text=True,
    )
    over = threading.Event()

    def watch() -> None:
        while not over.wait(TERMINAL_INTERVAL):
            report.update()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for line in process.stdout or ():
            if match := re.match(r"\s*(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)", line):
                report.collected.add(_name(match[1]))
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()
        status = 130
    finally:
        over.set()
        watcher.join()
    if status == 0:
        report.end()
    return status


if __name__ == "__main__":
    sys.exit(install(Path(sys.argv[1])))
