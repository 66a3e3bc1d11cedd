"""What glibc keeps of memory that was given back: each thread's heap keeps its last large block for a next one."""

import ctypes
import sys
import threading
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""

_LEAST, _MOST = 2**17, 2**25
"""Bytes; smaller blocks are not worth it, and larger ones are not cached: they are mapped again each time."""

_PAGE = 4096
"""Bytes that glibc adds, at most, where it maps a block."""

_alone = threading.Lock()
"""What it is told counts for all threads."""


def give_back(size: int) -> None:
    """To the kernel, what the heap of this thread keeps for a next block of `size` bytes; the next takes longer."""
    glibc, mapped = _glibc(), size + _PAGE
    if glibc is None or not _LEAST <= size < _MOST - _PAGE:
        return
    with _alone:
        glibc.mallopt(_TRIM_THRESHOLD, 0)
        # After a block of this size it looks whether there is too much free above.
        glibc.free(glibc.malloc(_LEAST))
        # Then as glibc itself would have it after such a block: told once, it no longer learns.
        glibc.mallopt(_MMAP_THRESHOLD, mapped)
        glibc.mallopt(_TRIM_THRESHOLD, 2 * mapped)


@cache
def _glibc() -> ctypes.CDLL | None:
    """None where it is another library, which gives back by itself."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return None
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.free.argtypes, library.free.restype = [ctypes.c_void_p], None
    return library
