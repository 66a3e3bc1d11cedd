"""Argon2id password hashes (RFC 9106) on threads of their own. Hashes of other systems verify, and are outdated."""

import asyncio
import base64
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hmac import compare_digest
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from adapters.caller import current_caller
from adapters.passwords.fair_threads import FairThreads, NoRoom
from adapters.passwords.foreign_hash import ForeignHash
from adapters.passwords.foreign_schemes import parse_foreign
from adapters.passwords.hashing_threads import cancel_when_hung_up, is_cancelled, lower_priority
from adapters.passwords.same_salt import find_match, salt_of, with_same_salt
from adapters.passwords.stored_hash import StoredHash, wrap
from application.ports import Hasher, PasswordMatch
from domain.password import normalize_password
from domain.refusals import ErrorCode, Refusal

T = TypeVar("T")

QUEUE, DEADLINE = 64, 2.0
"""The most jobs that wait for each thread, and the seconds within which a job starts or is refused."""

EXPENSIVE = 2**18
"""The cost (`StoredHash.cost`) above which a foreign hash is verified on separate threads: seven times that of our
own hashes by default, a tenth of a second. bcrypt from cost 12 and PBKDF2 above 262,144 iterations are expensive."""

_UNUSABLE = "!"
"""Django, like Unix, stores a hash that begins so for a user without a password."""


_SALT_SIZE, _TAG_SIZE = 16, 32
"""Bytes."""


class Argon2Hasher(Hasher):
    """For asyncio. `threads` hashes run at a time, at a low priority, so that the event loop keeps its share of the
    CPU. Callers take turns by the network they come from, so that none can delay the others. A job that has not
    started after `deadline` seconds is cancelled and refused as `overloaded`, and so is a job when `queue` jobs wait.
    `memory` is in KiB.

    Expensive hashes of other systems verify on separate threads at the lowest priority: guesses at such accounts
    must not delay other logins.
    """

    def __init__(
        self,
        *,
        threads: int,
        deadline: float = DEADLINE,
        queue: int | None = None,
        memory: int = 19_456,
        passes: int = 2,
        lanes: int = 1,
    ) -> None:
        self._argon2 = PasswordHasher(
            memory_cost=memory, time_cost=passes, parallelism=lanes, salt_len=_SALT_SIZE, hash_len=_TAG_SIZE
        )
        # A hash with a random tag: no password matches, and verifying costs the usual time.
        salt, tag = (base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (_SALT_SIZE, _TAG_SIZE))
        self.decoy = f"$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${tag}"
        self._ours = self.decoy.rpartition("$")[0].rpartition("$")[0] + "$"
        self._threads = threads
        room = QUEUE * threads if queue is None else queue
        self._pool = FairThreads(threads, queue=room, name="hasher", initializer=partial(lower_priority, 10))
        self._expensive = FairThreads(
            max(1, threads - 1), queue=room, name="expensive-hasher", initializer=partial(lower_priority, 19)
        )
        self._deadline = deadline

    async def hash(self, password: str, *, like: str | None = None) -> str:
        salt = salt_of(like) if like is not None and like.startswith(self._ours) else None
        return await self._run(
            lambda: self._argon2.hash(_encoded(normalize_password(password)), salt=salt), self._pool
        )

    async def verify(self, password: str, password_hash: str | None, *others: str) -> PasswordMatch:
        """An unknown hash never matches, and costs as much as a wrong password."""
        if password_hash is not None and others and not self.can_verify(password_hash):
            match = await self.verify(password, *others)
            return replace(match, index=match.index + 1)
        if password_hash is not None and password_hash.startswith(self._ours):
            same_salt = with_same_salt(password_hash, others)
            if same_salt:
                return await self._run(partial(self._verify_any, password, password_hash, same_salt), self._pool)
        pool = self._expensive if self.is_expensive(password_hash) else self._pool
        return await self._run(partial(self._verify, password, password_hash), pool)

    async def import_hashes(self, password_hashes: Sequence[str]) -> list[str | None]:
        """Makes as many at a time as there are threads, without a deadline: an import can wait."""
        imported = [_storable(text) for text in password_hashes]
        weak = [
            (at, foreign_hash) for at, foreign_hash in enumerate(imported) if isinstance(foreign_hash, ForeignHash)
        ]
        for start in range(0, len(weak), self._threads):
            batch = weak[start : start + self._threads]
            jobs = [
                self._submit(partial(self._argon2.hash, foreign_hash.tag), self._pool) for _, foreign_hash in batch
            ]
            wrapped = await asyncio.gather(*map(asyncio.wrap_future, jobs))
            for (at, foreign_hash), argon2id in zip(batch, wrapped, strict=True):
                imported[at] = wrap(foreign_hash, argon2id)
        return [None if isinstance(text, ForeignHash) else text for text in imported]

    def can_verify(self, password_hash: str) -> bool:
        """Whether this is a hash with affordable settings."""
        return StoredHash.parse(password_hash) is not None

    def load(self) -> tuple[int, int]:
        """How many jobs run, and how many wait."""
        loads = self._pool.load(), self._expensive.load()
        return sum(running for running, _ in loads), sum(waiting for _, waiting in loads)

    def close(self) -> None:
        """Wait for the running jobs; refuse those that wait."""
        self._pool.close()
        self._expensive.close()

    async def _run(self, job: Callable[[], T], pool: FairThreads) -> T:
        started = self._submit(job, pool)
        # Only a waiting job can be cancelled; a running one costs its time anyway, so its result is awaited.
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._deadline, started.cancel)
        watching = loop.create_task(cancel_when_hung_up(started))
        try:
            return await asyncio.wrap_future(started)  # cancelling this task cancels the job as well
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise _overloaded() from None
        finally:
            timer.cancel()
            watching.cancel()

    def _submit(self, job: Callable[[], T], pool: FairThreads) -> Future[T]:
        caller = current_caller()
        try:
            return pool.submit("" if caller is None else caller.site, job)
        except NoRoom:
            raise _overloaded() from None

    def is_expensive(self, password_hash: str | None) -> bool:
        if password_hash is None or password_hash.startswith(self._ours):
            return False
        stored = StoredHash.parse(password_hash)
        return stored is not None and stored.cost > EXPENSIVE

    def _verify(self, password: str, password_hash: str | None) -> PasswordMatch:
        stored = StoredHash.parse(password_hash or "")
        normalized = normalize_password(password)
        if stored is None:
            self._burn_time(_encoded(normalized))
            return PasswordMatch(matches=False)
        # One hash a login, whatever the form of the password. We hash the normal form; others hashed what was typed.
        text = normalized if stored.is_native else stored.normalize(password)
        if self._matches(_encoded(text), stored):
            return PasswordMatch(matches=True, needs_rehash=text != normalized or self._is_outdated(stored))
        return PasswordMatch(matches=False)

    def _verify_any(self, password: str, password_hash: str, others: Sequence[tuple[int, str]]) -> PasswordMatch:
        index = find_match(_encoded(normalize_password(password)), password_hash, others)
        return PasswordMatch(matches=False) if index is None else PasswordMatch(matches=True, index=index)

    def _matches(self, secret: bytes, stored: StoredHash) -> bool:
        try:
            digest = stored.digest(secret)
            if stored.argon2 is None:
                return compare_digest(digest, stored.tag)
            return self._argon2.verify(stored.argon2, digest)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError, ValueError):
            self._burn_time(secret)
            return False

    def _burn_time(self, secret: bytes) -> None:
        """Take as long as a wrong password does."""
        with suppress(VerificationError):
            self._argon2.verify(self.decoy, secret)

    def _is_outdated(self, stored: StoredHash) -> bool:
        return stored.argon2 is None or not stored.is_native or self._argon2.check_needs_rehash(stored.argon2)


def _storable(text: str) -> str | ForeignHash | None:
    """The text to store, or a weak hash to wrap first; None if no password could match."""
    if not text or text.startswith(_UNUSABLE):
        return ""
    return parse_foreign(text) if StoredHash.parse(text) is None else text


def _encoded(password: str) -> bytes:
    # A lone surrogate has no UTF-8; it gets bytes that no other text has, not an exception.
    return password.encode("utf-8", "surrogatepass")


def _overloaded() -> Refusal:
    return Refusal(ErrorCode.OVERLOADED, "Too many logins at the moment. Try again later.", retry_after=1)
