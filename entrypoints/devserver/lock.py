"""Locks folders for one process at a time, and writes files that only their owner can read."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO


class AlreadyLocked(Exception):
    """Another process is using that folder."""


class Lock:
    """A lock of a folder, held until it is released or the process ends."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if needed, readable only by its owner. Raises AlreadyLocked."""
        make_private(folder)
        self._file: IO[bytes] = (folder / "lock").open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise AlreadyLocked(f"{folder} is in use by another process") from None

    def release(self) -> None:
        self._file.close()


def make_private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, never readable by other users."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def stored_secret(path: Path) -> str:
    """The secret in a file, generated if there is none."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8").strip()
