"""Passwords as argon2id (RFC 9106), on threads of their own; bcrypt is understood and asked to be replaced."""

import asyncio
import base64
import os
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from application.ports import Hasher, Verdict
from domain.password import normal
from domain.refusals import Code, Refusal

T = TypeVar("T")

_ARGON2 = re.compile(
    r"\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=(?P<m>[1-9]\d{0,6}),t=(?P<t>[1-9]\d{0,3}),p=(?:[1-9]|1[0-6])"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,172}",
    re.ASCII,
)
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}", re.ASCII)
_DEAREST = 2**22
"""KiB times passes, some seconds of work: a hash that somebody planted must not hold a thread for hours."""


class Argon2Hasher(Hasher):
    """For asyncio. `threads` hashes run at a time, at a low priority, so that the event loop keeps its share of the
    processors. A job that no thread has begun after `deadline` seconds is taken back and refused as `overloaded`; one
    that would be behind `queue` others is refused at once. Sizes are in KiB of memory and bytes of salt and tag.
    """

    def __init__(
        self,
        *,
        threads: int,
        deadline: float = 2.0,
        queue: int | None = None,
        memory: int = 19_456,
        passes: int = 2,
        lanes: int = 1,
        salt_size: int = 16,
        tag_size: int = 32,
    ) -> None:
        self._argon2 = PasswordHasher(
            memory_cost=memory, time_cost=passes, parallelism=lanes, salt_len=salt_size, hash_len=tag_size
        )
        # Random bytes in the place of a tag: nothing fits it, and finding that out costs what it always costs.
        salt, tag = (base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (salt_size, tag_size))
        self._decoy = f"$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${tag}"
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hasher", initializer=_step_back)
        self._room = threading.Semaphore(threads + (64 * threads if queue is None else queue))
        self._deadline = deadline

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._argon2.hash(_encoded(password)))

    async def verify(self, password: str, password_hash: str | None) -> Verdict:
        """A hash that is not known never fits, and costs as much as a wrong password."""
        return await self._run(partial(self._judge, password, password_hash))

    def knows(self, password_hash: str) -> bool:
        """Whether a password can be verified against such a hash, at a price that is bearable."""
        if argon2 := _ARGON2.fullmatch(password_hash):
            return int(argon2["m"]) * int(argon2["t"]) <= _DEAREST
        return _BCRYPT.fullmatch(password_hash) is not None

    def close(self) -> None:
        """Waits for the hashes that have begun; those that wait are refused."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run(self, job: Callable[[], T]) -> T:
        started = self._submit(job)
        outcome = asyncio.wrap_future(started)
        try:
            await asyncio.wait([outcome], timeout=self._deadline)
        except asyncio.CancelledError:
            outcome.cancel()  # takes the job back, unless it has begun
            raise
        # Only a job that waits can be cancelled; one that has begun costs its time anyhow, so its result is awaited.
        if started.cancelled() or started.cancel():
            raise _overloaded()
        return await outcome

    def _submit(self, job: Callable[[], T]) -> Future[T]:
        if not self._room.acquire(blocking=False):
            raise _overloaded()
        try:
            future = self._pool.submit(job)
        except RuntimeError:  # closed meanwhile
            self._room.release()
            raise _overloaded() from None
        # Runs once whatever becomes of the job: done, failed, or taken back by a caller who left.
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _judge(self, password: str, password_hash: str | None) -> Verdict:
        secret = _encoded(password)
        try:
            if password_hash is None or not self.knows(password_hash):
                return self._reject(secret)
            if password_hash.startswith("$2"):
                fits = _fits_bcrypt(secret, password_hash)
                return Verdict(fits=fits, outdated=fits)
            self._argon2.verify(password_hash, secret)
            return Verdict(fits=True, outdated=self._argon2.check_needs_rehash(password_hash))
        except VerifyMismatchError:
            return Verdict(fits=False)
        except (VerificationError, InvalidHashError, ValueError):
            return self._reject(secret)

    def _reject(self, secret: bytes) -> Verdict:
        with suppress(VerificationError):
            self._argon2.verify(self._decoy, secret)
        return Verdict(fits=False)


def _fits_bcrypt(secret: bytes, password_hash: str) -> bool:
    # bcrypt repeats the secret, with a NUL behind it, until it is full: a secret with a NUL may stand for another.
    if b"\0" in secret:
        raise ValueError("NUL")
    # It reads 72 bytes, and whoever made this hash dropped the rest.
    return bcrypt.checkpw(secret[:72], password_hash.encode())


def _encoded(password: str) -> bytes:
    # A lone surrogate has no UTF-8 of its own; it gets bytes that no other text has, rather than an exception.
    return normal(password).encode("utf-8", "surrogatepass")


def _overloaded() -> Refusal:
    return Refusal(Code.OVERLOADED, "Too many passwords are being checked at the moment.", retry_after=1)


def _step_back() -> None:
    """Lower the priority of this thread alone, where the platform can."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
