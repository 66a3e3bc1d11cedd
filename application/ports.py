"""Ports of the use cases. Those for storage are in `repositories/`, those for sending mail in `mail/ports.py`.

An adapter subclasses its port. A port that does I/O may raise the refusal `unavailable`, unless its
docstring says otherwise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.outbox import EmailLink, LinkPurpose
from domain.rate_limits import Bucket
from domain.retention import PurgeResult, RetentionCategory
from domain.tokens import AccessToken, RefreshToken
from domain.user import User

Clock = Callable[[], datetime]
"""The current time, aware and in UTC."""

NewId = Callable[[], UUID]
"""A new UUIDv7 (RFC 9562): unique, and ordered by time of creation."""

NewSecret = Callable[[], str]
"""At least 256 random bits as URL-safe text."""


# -- secrets ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PasswordMatch:
    """`matches` is whether the password matches, and `index` the index of the matching hash. `needs_rehash` asks the
    caller to store a new hash of the password."""

    matches: bool
    needs_rehash: bool = False
    index: int = 0


class Hasher(Protocol):
    """Hashes passwords outside of the event loop, a limited number at a time. Raises `overloaded` if a job cannot
    start before its deadline."""

    async def hash(self, password: str, *, like: str | None = None) -> str:
        """Use the salt of the hash `like` if it was made by this hasher with the present settings. Then `verify`
        compares both hashes at the cost of one."""
        ...

    async def verify(self, password: str, password_hash: str | None, *others: str) -> PasswordMatch:
        """A `password_hash` of None is for an unknown user, and costs as much as a wrong password. `others` cost
        nothing more: only those with the same salt and settings as the first hash are compared."""
        ...

    async def import_hashes(self, password_hashes: Sequence[str]) -> Sequence[str | None]:
        """Convert hashes of another system for storage. A strong hash and "" (no password) stay the same, and a weak
        one is hashed again. None if a hash is not supported."""
        ...


class AccessTokenCodec(Protocol):
    """Encodes access tokens as signed JWTs (RFC 9068), and decodes them."""

    def encode(self, token: AccessToken) -> str:
        """Deterministic: the same token gives the same text while the signing key stays the same."""
        ...

    def decode(self, text: str) -> AccessToken:
        """Raises `token_invalid` or `token_expired`."""
        ...


class RefreshTokenCodec(Protocol):
    """Encodes refresh tokens as authenticated text, and decodes them, without I/O."""

    def encode(self, token: RefreshToken) -> str:
        """Deterministic: the same token gives the same text while the secret stays the same."""
        ...

    def decode(self, text: str) -> RefreshToken:
        """Raises `token_invalid`."""
        ...


class LinkSigner(Protocol):
    """Signs links as URL-safe text, and verifies them. Callers check the expiry."""

    def sign(self, link: EmailLink) -> str: ...

    def verify(self, text: str, purpose: LinkPurpose) -> EmailLink:
        """Raises `link_invalid`, also for a link of another purpose."""
        ...


# -- revocation -------------------------------------------------------------------------------------------


class RevocationCheck(Protocol):
    """Checks access tokens on every request."""

    async def min_generation(self, session_id: UUID) -> int:
        """The lowest generation of this session whose tokens are valid; `ENDED` if the session has ended. Includes
        every revocation whose request was answered before the call."""
        ...


class UserLookup(Protocol):
    """Reads users outside of units of work. Not a cache."""

    async def user(self, user_id: UUID) -> User | None:
        """The user as stored at some moment after the call; None if there is none."""
        ...

    async def candidates(self, login: str) -> Sequence[User]:
        """The verified user of an address or a username; otherwise its unverified users, oldest first. At most the
        first and the last 50."""
        ...


# -- rate limits and purging ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reservation:
    """One counted attempt."""

    buckets: tuple[Bucket, ...]
    id: str


class RateLimiter(Protocol):
    """Rate limiter. During an outage it counts less exactly; it never raises `unavailable`."""

    async def acquire(self, *buckets: Bucket) -> Reservation:
        """Count an attempt in all buckets, or raise `rate_limited` and count it in none if one of them is full.
        `retry_after` is when all have room, unless others use it first; `reason` is the limit that takes longest."""
        ...

    async def cancel(self, reservation: Reservation) -> None:
        """Remove this attempt from its buckets."""
        ...

    async def reset(self, *buckets: Bucket) -> None:
        """Empty the buckets."""
        ...


class ExpiredRows(Protocol):
    """Expired rows, by the periods of `domain/retention.py`."""

    async def purge(self, kind: RetentionCategory, *, now: datetime, after: UUID | None, limit: int) -> PurgeResult:
        """Check the next `limit` rows of that kind in the order of their ids, and remove those that have expired.

        Skips rows that another transaction has locked, so it never waits. Of a deleted user it cleans at most `limit`
        rows of each table; the next call continues with the same user."""
        ...


# -- mail -------------------------------------------------------------------------------------------------

Nudge = Callable[[Sequence[UUID]], None]
"""Notify the workers of new mails by their ids. Returns at once and never raises. The message may be lost."""
