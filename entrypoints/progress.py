"""Progress output: a bar at a terminal, otherwise a line now and then."""

import time
from typing import TextIO

_WIDTH = 30
_OFTEN, _RARELY = 0.2, 10.0
"""Seconds between two looks at it."""


class Progress:
    """`size` is what `at` comes to in the end, in any unit."""

    def __init__(self, shown: TextIO, size: int) -> None:
        self._shown, self._size, self._watched = shown, size, shown.isatty()
        self._began = self._told = time.monotonic()

    def tell(self, at: int, rows: int, *, done: bool = False) -> None:
        now = time.monotonic()
        if not done and now - self._told < (_OFTEN if self._watched else _RARELY):
            return
        self._told = now
        share = 1.0 if done else min(at / max(self._size, 1), 1.0)
        text = f"{share:4.0%}  {rows:,} rows, {rows / max(now - self._began, 0.001):,.0f} a second"
        bar = f"\r[{'#' * int(_WIDTH * share):{_WIDTH}}] " if self._watched else ""
        self._shown.write(f"{bar}{text}{'' if self._watched and not done else chr(10)}")
        self._shown.flush()

    def clear(self) -> None:
        """Make room for a line of something else."""
        if self._watched:
            self._shown.write("\r\x1b[K")
