"""Passwords known from data breaches, looked up in files that the operator provides, without network access."""

import hashlib
import logging
from pathlib import Path

log = logging.getLogger(__name__)

_PREFIX = 5
_MAX_BYTES = 4 * 2**20
"""Read from a file; those of Have I Been Pwned have some 40 KiB."""


class BreachedPasswords:
    """Looks passwords up in the range files of Have I Been Pwned: a file for the first five hexadecimal digits of the
    SHA-1, with or without `.txt`, and in it lines `SUFFIX:COUNT`. A count of 0 is padding.

    A file that cannot be read is logged once per process and does not block requests. The log does not name the
    file: its name reveals part of a password's hash.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logged = False

    def __call__(self, password: str) -> bool:
        # The format of the files demands SHA-1.
        digest = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        lines = self._read(digest[:_PREFIX])
        suffix = digest[_PREFIX:].upper().encode()
        return any(_count(line, suffix) for line in lines.upper().splitlines())

    def _read(self, prefix: str) -> bytes:
        reason: str | None = None
        for name in (prefix.upper(), prefix.upper() + ".txt", prefix, prefix + ".txt"):
            try:
                with (self._folder / name).open("rb") as file:
                    content = file.read(_MAX_BYTES)
            except FileNotFoundError as error:
                reason = reason or error.strerror
            except OSError as error:
                reason = error.strerror
            else:
                return content
        if not self._logged:
            self._logged = True
            log.warning("breached_passwords_unreadable: a file in %s: %s", self._folder, reason)
        return b""


def _count(line: bytes, suffix: bytes) -> int:
    line_suffix, _, count = line.strip().removeprefix(b"\xef\xbb\xbf").partition(b":")
    return int(count) if line_suffix == suffix and count.isdigit() else 0
