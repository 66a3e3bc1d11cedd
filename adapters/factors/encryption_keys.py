"""Encryption keys that are read again when their file changes."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_LONGEST_WAIT = 0.1
"""Seconds to wait for another thread that reads the file, which may be on a mount that hangs."""

Stamp = tuple[int, int, int]
"""Changes with the file: inode, size and time."""


class ReloadingKeys:
    """`parse` raises ValueError for a text that is not a list of keys. A file that cannot be used changes nothing:
    the earlier keys stay in use, and a log line says so once."""

    def __init__(self, keys: Sequence[bytes], file: Path | None, *, parse: Callable[[str], Sequence[bytes]]) -> None:
        self._keys, self._file, self._parse = tuple(keys), file, parse
        self._stamp: Stamp | None = None
        self._problem = ""
        self._lock = threading.Lock()

    def current(self) -> Sequence[bytes]:
        """From newest to oldest."""
        return self._keys

    def reload(self) -> None:
        """Read the file if it changed; do nothing without a file. Never raises."""
        if self._file is None or not self._lock.acquire(timeout=_LONGEST_WAIT):
            return
        try:
            status = self._file.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp == self._stamp:
                return
            keys = tuple(self._parse(self._file.read_bytes().decode("utf-8-sig").strip()))
            self._stamp = stamp
        except (OSError, ValueError) as error:
            # Reads the file again next time: this may be the middle of a change.
            self._warn_once(error.strerror or "" if isinstance(error, OSError) else str(error))
        else:
            self._use(keys)
        finally:
            self._lock.release()

    def _use(self, keys: tuple[bytes, ...]) -> None:
        if self._problem:
            log.warning("encryption_keys_readable")
            self._problem = ""
        if keys != self._keys:
            self._keys = keys
            log.warning("encryption_keys_changed: %d keys", len(keys))

    def _warn_once(self, problem: str) -> None:
        if problem != self._problem:
            log.error("encryption_keys_unreadable: the previous keys stay in use: %s: %s", self._file, problem)
        self._problem = problem
