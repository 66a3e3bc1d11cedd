"""Every role that the outside world plays for the use cases; what it keeps for them is in
`repositories/`, and what sends its mails in `mail/ports.py`.

An adapter subclasses the role it plays. A docstring says what a signature cannot: what is raised, what None means,
units and promises. Any role that reaches outside may raise the refusal `unavailable`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.limits import Bucket
from domain.mail import EmailLink, LinkPurpose
from domain.retention import Cleared, Leftover
from domain.token import AccessToken, RefreshToken
from domain.user import User

Clock = Callable[[], datetime]
"""Now, in UTC, with a time zone."""

NewId = Callable[[], UUID]
"""A fresh UUIDv7 (RFC 9562): unique, and ordered by time of making."""

NewSecret = Callable[[], str]
"""At least 256 random bits as text that needs no quoting in a URL."""


# -- secrets ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password fits, and which of the hashes by its place; `outdated` asks for a new hash of it."""

    fits: bool
    outdated: bool = False
    place: int = 0


class Hasher(Protocol):
    """Passwords into hashes, off the caller's event loop and bounded. Raises `overloaded` past its deadline."""

    async def hash(self, password: str, *, like: str | None = None) -> str:
        """With the salt of the hash `like`, if that is one of ours with the present settings: then `verify` looks at
        both for the price of one."""
        ...

    async def verify(self, password: str, password_hash: str | None, *others: str) -> Verdict:
        """None stands for a user that does not exist, and costs as much as a wrong password. So does any number of
        `others`: only those are looked at that were made like the first."""
        ...

    async def import_hashes(self, password_hashes: Sequence[str]) -> Sequence[str | None]:
        """Hashes that others made, as they may be kept: a strong one as it is, a weak one inside one of ours; "" for
        a user without a password, None where no password could ever be verified."""
        ...


class AccessTokenCodec(Protocol):
    """Access tokens into signed text (RFC 9068) and back."""

    def encode(self, token: AccessToken) -> str:
        """The same token gives the same text as long as the signing key stays."""
        ...

    def decode(self, text: str) -> AccessToken:
        """Raises `token_invalid` or `token_expired`."""
        ...


class RefreshTokenCodec(Protocol):
    """Refresh tokens into authenticated text and back, without any I/O."""

    def encode(self, token: RefreshToken) -> str:
        """The same token gives the same text as long as the secret stays."""
        ...

    def decode(self, text: str) -> RefreshToken:
        """Raises `token_invalid`."""
        ...


class LinkSigner(Protocol):
    """Links into authenticated, URL-safe text and back. Neither direction looks at the clock."""

    def sign(self, link: EmailLink) -> str: ...

    def verify(self, text: str, purpose: LinkPurpose) -> EmailLink:
        """Raises `link_invalid`, also for a link of another purpose. Expiry is the caller's to judge."""
        ...


# -- revocation -------------------------------------------------------------------------------------------


class RevocationCheck(Protocol):
    """Checks access tokens on every request."""

    async def min_generation(self, session_id: UUID) -> int:
        """The lowest generation of this session whose tokens are valid; `ENDED` if the session has ended. The answer
        includes every revocation that was reported as done before the call."""
        ...


class Directory(Protocol):
    """Users as the truth knows them, for who looks at one and changes nothing."""

    async def user(self, user_id: UUID) -> User | None:
        """As they are at a moment after the call; read outside of any unit of work."""
        ...

    async def candidates(self, login: str) -> Sequence[User]:
        """Likewise who goes by an address or a username: the verified user alone, or else those who have registered
        it, the first first. Of very many the first and the last fifty."""
        ...


# -- limits and housekeeping ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """One attempt as it was counted; `mark` tells it from all others."""

    buckets: tuple[Bucket, ...]
    mark: str


class Limits(Protocol):
    """How often is too often. Whatever fails, it goes on counting, perhaps less exactly, and raises nothing else."""

    async def spend(self, *buckets: Bucket) -> Receipt:
        """Count an attempt in all of these, or in none: raises `rate_limited` where one is full. `retry_after` says
        when all have room again, unless others come first; `reason` is the limit of the one that takes longest."""
        ...

    async def refund(self, receipt: Receipt) -> None:
        """As if this one attempt had not been made."""
        ...

    async def forget(self, *buckets: Bucket) -> None:
        """Reset the counter to zero."""
        ...


class Leftovers(Protocol):
    """Rows that are over, by the rules of `domain/retention.py`."""

    async def clear(self, kind: Leftover, *, now: datetime, after: UUID | None, limit: int) -> Cleared:
        """Look at the next `limit` rows of that kind, in the order of their ids, and remove those that are over. What
        another transaction has locked is skipped, so this waits for no one and hardly delays others. Of a deleted
        user no more than `limit` rows of a table are cleaned at once, and the next call goes on with the same one."""
        ...


# -- mail -------------------------------------------------------------------------------------------------

Nudge = Callable[[Sequence[UUID]], None]
"""Tell the workers which mails wait. Returns at once, never raises, and may be lost."""
