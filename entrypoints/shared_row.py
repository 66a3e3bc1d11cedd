"""Numbers of a process that its siblings can read: a file each, in a folder that the service makes when it starts.

They are memory, so changing one costs next to nothing, and they outlive a process that is killed. A new
process takes such a file over and continues: no sum ever falls, and there are never more files than processes.
"""

import fcntl
import itertools
import mmap
from array import array
from contextlib import suppress
from pathlib import Path

_DOUBLE = 8
"""Bytes."""


class SharedRow:
    """`cells` are our own, to be changed by one thread; without a folder there are no siblings."""

    def __init__(self, length: int, folder: Path | None = None) -> None:
        self._bytes = length * _DOUBLE
        self._path: Path | None = None
        if folder is None:
            memory = mmap.mmap(-1, self._bytes)
        else:
            self._path, memory = _claimed(folder, self._bytes)
        self.cells = memoryview(memory).cast("d")

    def totals(self) -> list[float]:
        """The sum over all rows, cell by cell."""
        rows = [self.cells.tolist(), *self._siblings()]
        return [sum(column) for column in zip(*rows, strict=True)]

    def _siblings(self) -> list[list[float]]:
        found: list[bytes] = []
        if self._path is not None:
            with suppress(FileNotFoundError):  # the file was removed: each process counts for itself, then
                found = [path.read_bytes() for path in self._path.parent.iterdir() if path != self._path]
        return [array("d", row).tolist() for row in found if len(row) == self._bytes]


def _claimed(folder: Path, size: int) -> tuple[Path, mmap.mmap]:
    """The first file that no living process has, as memory; ours for as long as there is the memory."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in itertools.count():
        with (folder / str(number)).open("a+b") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(size)
            return folder / str(number), mmap.mmap(file.fileno(), size)  # which keeps the file open, and so the lock
    raise AssertionError("numbers do not end")
