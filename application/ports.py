"""Every role that the outside world plays for the use cases, on one page.

An adapter subclasses the role it plays. A docstring says what a signature cannot: what is raised, what
None means, units and promises. Any role that reaches outside may raise the refusal `unavailable`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.mail import Letter, Link, Mail, Outcome, Purpose
from domain.role import Role
from domain.session import EndReason, Lifetimes, Session
from domain.token import AccessToken, RefreshToken
from domain.user import User

Clock = Callable[[], datetime]
"""Now, in UTC, with a time zone."""

NewId = Callable[[], UUID]
"""A fresh UUIDv7 (RFC 9562): unique, and ordered by time of making."""


# -- secrets ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password fits; `outdated` asks for a new hash of it."""

    fits: bool
    outdated: bool = False


class Hasher(Protocol):
    """Passwords into hashes, off the caller's event loop and bounded. Raises `overloaded` past its deadline."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, password_hash: str | None) -> Verdict:
        """None stands for a user that does not exist, and costs as much as a wrong password."""
        ...


class AccessSealer(Protocol):
    """Access tokens into signed text (RFC 9068) and back."""

    def seal(self, token: AccessToken) -> str:
        """The same token gives the same text as long as the signing key stays."""
        ...

    def unseal(self, text: str) -> AccessToken:
        """Raises `token_invalid` or `token_expired`."""
        ...


class RefreshSealer(Protocol):
    """Refresh tokens into authenticated text and back, without any I/O."""

    def seal(self, token: RefreshToken) -> str:
        """The same token gives the same text as long as the secret stays."""
        ...

    def unseal(self, text: str) -> RefreshToken:
        """Raises `token_invalid`."""
        ...


class LinkSealer(Protocol):
    """Links into authenticated, URL-safe text and back. Neither direction looks at the clock."""

    def seal(self, link: Link) -> str: ...

    def unseal(self, text: str, purpose: Purpose) -> Link:
        """Raises `link_invalid`, also for a link of another purpose. Expiry is the caller's to judge."""
        ...


# -- the store --------------------------------------------------------------------------------------------


class Users(Protocol):
    async def add(self, user: User) -> None:
        """Add a claim, however many there are to its address or username; `prove` makes it more than that."""
        ...

    async def by_id(self, user_id: UUID) -> User | None: ...

    async def by_email(self, email: str) -> User | None:
        """The verified user of that address, or else the newest claim to it."""
        ...

    async def claims(self, email: str) -> int:
        """How many unverified users share the address."""
        ...

    async def by_username(self, username: str) -> User | None:
        """The verified user of that name, whatever its case, or else the newest claim to it."""
        ...

    async def prove(self, user_id: UUID, *, credential_version: int, now: datetime) -> User | None:
        """Mark the address as proven and remove every other claim to it, with the claims' sessions.

        None where the user is gone, its credentials have changed, or somebody else has proven the address.
        Proving twice is proving once. A username that was taken meanwhile is given up.
        """
        ...

    async def replace_password(self, user_id: UUID, password_hash: str, *, credential_version: int) -> User | None:
        """The user with the new hash and the next version; None where the version has moved on."""
        ...

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        """Keep a better hash of the same password, unless the hash has changed meanwhile."""
        ...

    async def governors(self) -> Sequence[UUID]:
        """Every user who can administer the service, held as they are until this work is done."""
        ...

    async def set_role(self, user_id: UUID, role: Role) -> User | None: ...

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None: ...

    async def remove(self, user_id: UUID) -> bool:
        """Remove the user. End its sessions first: their endings are kept, without a name."""
        ...

    async def page(self, *, query: str, role: Role | None, limit: int, after: UUID | None) -> Sequence[User]:
        """Users in the order of their ids, whose address or username starts with the query."""
        ...


class Sessions(Protocol):
    """Every ending, and every raised floor, is in force everywhere once the work that did it has been left."""

    async def open(self, session: Session, *, credential_version: int) -> User | None:
        """The session's user; None, and nothing opened, where its credentials changed or it is disabled."""
        ...

    async def by_id(self, session_id: UUID) -> Session | None: ...

    async def advance(
        self, session_id: UUID, *, generation: int, now: datetime, lifetimes: Lifetimes
    ) -> tuple[Session, User] | None:
        """Move a session that is alive and stands at `generation` to the next, in one step; or None."""
        ...

    async def end(self, session_id: UUID, *, now: datetime, reason: EndReason) -> bool: ...

    async def end_all(self, user_id: UUID, *, now: datetime, reason: EndReason) -> int: ...

    async def outdate_all(self, user_id: UUID, *, now: datetime) -> int:
        """Access tokens made so far stop working; the sessions go on."""
        ...

    async def settled(self, user_id: UUID) -> None:
        """Wait, when the work is left, for whatever others have just ended or raised of this user's."""
        ...


class Mails(Protocol):
    async def add(self, mail: Mail) -> None:
        """Owe a mail. Workers hear of it after the work is done, and find it even if they do not."""
        ...

    async def lease(self, *, now: datetime, until: datetime, limit: int, only: UUID | None = None) -> Sequence[Mail]:
        """Take due mails so that no other worker gets them before `until`; oldest first, never waiting."""
        ...

    async def settle(self, mail: Mail, outcome: Outcome, *, now: datetime, note: str = "") -> None:
        """Record how it ended, unless another worker has taken the mail over since it was leased."""
        ...

    async def postpone(self, mail: Mail, *, until: datetime, note: str) -> None:
        """Give a leased mail back, unless another worker has taken it over."""
        ...

    async def parked(self, *, limit: int) -> Sequence[Mail]: ...

    async def redrive(self, mail_id: UUID, *, now: datetime) -> bool:
        """Make a parked mail due again, as if it were new."""
        ...


class Work(Protocol):
    """One piece of work: all of it happens, or none."""

    @property
    def users(self) -> Users: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def mails(self) -> Mails: ...


Begin = Callable[[], AbstractAsyncContextManager[Work]]
"""`async with begin() as work:` the dedent is the commit; an exception undoes everything."""


# -- revocation -------------------------------------------------------------------------------------------


class Floors(Protocol):
    """The truth about sessions: the lowest generation still welcome, by session."""

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        """The floors of these sessions; one that is absent is unknown, and as good as ended."""
        ...

    async def raised(self, *, since: datetime) -> Mapping[UUID, int]:
        """Every floor that was raised since then."""
        ...

    async def unpublished(self) -> Mapping[UUID, int]:
        """Raised floors of which nobody has said yet that the blocklist holds them."""
        ...

    async def published(self, floors: Mapping[UUID, int]) -> None:
        """The blocklist holds these, as they are here."""
        ...


class Blocklist(Protocol):
    """A fast copy of the floors that were raised lately. It may fail, but it never guesses."""

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        """The raised floors among these; a session that is absent is welcome. None: ask the truth."""
        ...

    async def publish(self, floors: Mapping[UUID, int]) -> None:
        """Raise floors, never lower them. Returns when they are in force everywhere, which may take a second."""
        ...


# -- mail -------------------------------------------------------------------------------------------------

Nudge = Callable[[Sequence[UUID]], None]
"""Tell the workers which mails wait. Returns at once, never raises, and may be lost."""


class Composer(Protocol):
    """Words for a mail; `link` is the sealed text of its link, where it carries one."""

    def compose(self, mail: Mail, link: str | None) -> Letter: ...


class MailDelayed(Exception):
    """The letter was not taken now; later it may be. The text is for the operator."""


class MailRefused(Exception):
    """The letter will never be taken as it is. The text is for the operator."""


class Mailer(Protocol):
    async def send(self, letter: Letter) -> None:
        """Returns when somebody else has taken responsibility. Raises MailDelayed or MailRefused."""
        ...
