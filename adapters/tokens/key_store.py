"""The signing keys in a folder, reloaded while the process runs when a key is added or removed.

A new key verifies at once and signs a `delay` later: until then a process, a slow mount or a cached key set of
another service may not have it. The names of the files tell which key is the newest. Their times only tell a
process that starts how long a key has been there: they can make it wait, and change no order.

What cannot be read changes nothing: the keys that were read before stay, and a log line says so, once. A key is
dropped when its file is gone, unless nothing would be left to sign with.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from adapters.tokens.key_files import KeyEntry, KeyFile, key_entries, read_keys, usable_keys
from adapters.tokens.pem_keys import PrivateKey, SigningKey
from application.ports import Clock

log = logging.getLogger(__name__)

SAME_SCAN = 1.0
"""Seconds. Files whose times differ by less count as written together, because the order of a copy is arbitrary."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """`signing` is the key that signs now, `private` its private part; `verifying` are all keys, newest first."""

    signing: SigningKey
    private: PrivateKey = field(repr=False)
    verifying: tuple[SigningKey, ...]

    @classmethod
    def of(cls, keys: Sequence[SigningKey]) -> Self:
        """The first with a private part signs. Raises ValueError where none has one."""
        for key in keys:
            if key.private is not None:
                return cls(key, key.private, tuple(keys))
        raise ValueError("no private key to sign with")


class ReloadingKeyStore:
    """Call `reload` about once a second. `ticks` is a monotonic clock in seconds. Raises ValueError for bad files."""

    def __init__(
        self, path: Path, *, delay: timedelta, clock: Clock, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self.delay, self._ticks = path, delay, ticks
        self._files = usable_keys(path)
        self._warned = ""
        self._lock = threading.Lock()
        self._read_at = ticks()
        entries = key_entries(self._files.values())
        # A running process saw when the key was added.
        self._seen_at = {entry.key.kid: self._read_at - _age(entry, clock()) for entry in entries}
        self._now = self._choose(entries, None)

    def current(self) -> KeySet:
        """The same object until something changes."""
        return self._now

    def reload(self) -> None:
        """Read the names and times of files, and the files that changed. Never raises, and does not wait for another
        reload, which can hang on a bad mount."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._read_at = self._ticks()
            self._reload()
        finally:
            self._lock.release()

    def _reload(self) -> None:
        problems = []
        try:
            self._files = {
                key_file.file: self._last_readable(key_file)
                for key_file in read_keys(self._path, self._files).values()
            }
        except OSError as error:
            problems.append(f"{self._path}: cannot be read ({error.strerror})")
        problems += sorted(key_file.problem for key_file in self._files.values() if key_file.problem)
        entries = key_entries(self._files.values())
        if any(entry.key.private for entry in entries):
            self._seen_at = {entry.key.kid: self._seen_at.get(entry.key.kid, self._read_at) for entry in entries}
            self._switch(self._choose(entries, self._now.signing))
        else:
            problems.append(f"{self._path}: no private key to sign with")
        self._warn_once("; ".join(problems))

    def _last_readable(self, key_file: KeyFile) -> KeyFile:
        """A file that has become unreadable keeps its last key."""
        before = self._files.get(key_file.file)
        return (
            key_file
            if key_file.key or before is None
            else replace(before, stamp=key_file.stamp, problem=key_file.problem)
        )

    def _choose(self, entries: Sequence[KeyEntry], before: SigningKey | None) -> KeySet:
        ages = {kid: self._read_at - seen_at for kid, seen_at in self._seen_at.items()}
        signing = signer(entries, ages, delay=self.delay, before=before)
        return replace(KeySet.of([signing]), verifying=tuple(entry.key for entry in entries))

    def _switch(self, chosen: KeySet) -> None:
        if _names(chosen) == _names(self._now):
            return
        self._now = chosen
        log.warning("signing_keys_changed: %s signs, %s verify", chosen.signing.kid, ", ".join(_names(chosen)[1]))

    def _warn_once(self, problem: str) -> None:
        if problem and problem != self._warned:
            log.error("signing_keys_unreadable: the previous keys stay in use: %s", problem)
        elif self._warned and not problem:
            log.warning("signing_keys_readable")
        self._warned = problem


def signer(
    entries: Sequence[KeyEntry], ages: Mapping[str, float], *, delay: timedelta, before: SigningKey | None = None
) -> SigningKey:
    """Which of the keys, newest first, signs. `ages` has the seconds since each key was added, by kid.

    It is the newest key older than the delay; else the one that signed `before`; else, when a process starts, the
    second newest of those added first, since other processes may not know the newest yet. Raises ValueError if no
    key can sign.
    """
    private = [entry.key for entry in entries if entry.key.private]
    if not private:
        raise ValueError("no private key to sign with")
    known = [key for key in private if ages[key.kid] >= delay.total_seconds()]
    known += [key for key in private if before is not None and key.kid == before.kid]
    if known:
        return known[0]
    oldest = max(ages[key.kid] for key in private)
    return [key for key in private if oldest - ages[key.kid] <= SAME_SCAN][:2][-1]


def _age(entry: KeyEntry, now: datetime) -> float:
    """Seconds; a file from the future is new."""
    return max(0.0, (now - entry.since).total_seconds())


def _names(keys: KeySet) -> tuple[str, list[str]]:
    return keys.signing.kid, [key.kid for key in keys.verifying]
