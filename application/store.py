"""What is kept, as collections, and the unit of work in which they change together.

A docstring says what a signature cannot: what None means, what is locked, and what is promised when the work is left.
Any of these may raise the refusal `unavailable`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.address_change import AddressChange
from domain.client import Client
from domain.event import Event
from domain.mail import Mail, Outcome
from domain.role import Role
from domain.session import EndReason, Lifetimes, Session
from domain.user import User


@dataclass(frozen=True, slots=True)
class Proof:
    """A user whose address is proven; `fresh` where it was not before."""

    user: User
    fresh: bool


BY_EMAIL, BY_USERNAME = "@", "~"
"""What a key begins with: those found by their address come first."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the key that it is sorted by (empty where that is the id alone), and the id."""

    id: UUID
    key: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A user, and the key that it was found by."""

    user: User
    key: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """The user of a session that was opened, and the sessions that had to end for it."""

    user: User
    evicted: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose an address is already: its verified user's, or else a claim's that was imported. `imported_at` is None
    for who came by themselves."""

    user: User
    imported_at: datetime | None


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

    async def prove(self, user_id: UUID, *, credential_version: int, now: datetime) -> Proof | None:
        """Mark the address as proven and remove every other claim to it, with the claims' sessions.

        None where the user is gone, its credentials have changed, or somebody else has proven the address.
        Proving twice is proving once. A username that was taken meanwhile is given up.
        """
        ...

    async def hold(self, user_id: UUID, *, email: str | None = None, governors: bool = False) -> Sequence[User]:
        """The user and everybody of that address, held as they are until this work is done; and all who can
        administer the service, where that is asked for or one of that address can. Nobody waits in a circle who
        holds in one step all that they need."""
        ...

    async def move(self, user_id: UUID, email: str, *, over: Collection[User], now: datetime) -> User | None:
        """The user at an address that they have proven, with the next version; the claims to it that they go over are
        removed, as `prove` does. None where they are gone, or somebody else has proven it. Hold all of them first."""
        ...

    async def displace(self, user_id: UUID, *, to: str) -> User | None:
        """The user as an unverified claim to another address, with the next version. As long as a change to it waits
        to be confirmed, nobody who proves that address removes them: they were more than a claim. Hold them first."""
        ...

    async def replace_password(self, user_id: UUID, password_hash: str, *, credential_version: int) -> User | None:
        """The user with the new hash and the next version; None where the version has moved on."""
        ...

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        """Keep a better hash of the same password, unless the hash has changed meanwhile."""
        ...

    async def governors(self) -> Sequence[UUID]:
        """Every user who can administer the service now. Whoever makes one fewer of them has held them all before."""
        ...

    async def set_role(self, user_id: UUID, role: Role) -> User | None: ...

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None: ...

    async def remove(self, user_id: UUID) -> bool:
        """Remove the user. End its sessions first: their endings are kept, without a name. So are its events, without
        the places that they came from."""
        ...

    async def rename(self, user_id: UUID, username: str | None) -> User | None:
        """None where the user is gone, or a verified user has that name already."""
        ...

    async def standing(self, emails: Collection[str]) -> Mapping[str, Standing]:
        """Of these addresses, those that belong to somebody already."""
        ...

    async def brought(self, emails: Collection[str]) -> Collection[str]:
        """Of these addresses, those that `admit` has brought in before, whatever has become of their users since."""
        ...

    async def admit(self, newcomers: Sequence[User], *, now: datetime) -> Sequence[User]:
        """Add many at once, verified or not as they say, and return those who are in now, as they are in. No two of
        them have one address. Where an address belongs to somebody verified, or to an imported claim and the newcomer
        is not verified either, or to nobody who was once `brought`, the newcomer is left out. Somebody verified takes
        the place of every claim, as with `prove`; a username that somebody verified has is given up.
        """
        ...

    async def page(self, *, query: str, role: Role | None, limit: int, after: Place | None) -> Sequence[Found]:
        """Users whose address starts with the query (in lower case), in the order of their addresses; then those
        whose username does, in the order of these. Without a query, everybody in the order of their ids."""
        ...


class Sessions(Protocol):
    """Every ending, and every raised floor, is in force everywhere once the work that did it has been left."""

    async def open(self, session: Session, *, credential_version: int, most: int) -> Opened | None:
        """Open a session, and end the oldest of the user's so that no more than `most` are alive. None, and nothing
        done, where the user's credentials have changed or it is disabled."""
        ...

    async def by_id(self, session_id: UUID) -> Session | None: ...

    async def alive(self, user_id: UUID, *, now: datetime) -> Sequence[Session]:
        """The sessions of the user that are alive, newest first: no more than `open` allows."""
        ...

    async def known_from(self, login: str, network: str, *, now: datetime) -> bool:
        """Whether the user of that address or username has a session that is alive and was opened in that network;
        only the newest fifty are looked at. It takes as long for nobody as for somebody."""
        ...

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Session]:
        """Every session of the user that is still kept, newest first, also those that are over; `after` is the id of
        the last session seen."""
        ...

    async def advance(
        self, session_id: UUID, *, generation: int, now: datetime, lifetimes: Lifetimes
    ) -> tuple[Session, User] | None:
        """Move a session that is alive and stands at `generation` to the next, in one step; or None."""
        ...

    async def end(self, session_id: UUID, *, now: datetime, reason: EndReason) -> bool: ...

    async def end_all(self, user_id: UUID, *, now: datetime, reason: EndReason) -> int: ...

    async def outdate_all(self, user_id: UUID) -> int:
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

    async def page(self, user: User, *, limit: int, after: UUID | None) -> Sequence[Mail]:
        """The mails that name the user, newest first; and of a user whose address is proven, those to it that name
        nobody, unless they are older than the user. `after` is the id of the last mail seen."""
        ...

    async def forget(self, user_id: UUID, *, address: str | None) -> None:
        """Remove the mails to the user that are settled; where an address is given, all to it that are."""
        ...

    async def parked(self, *, limit: int) -> Sequence[Mail]: ...

    async def redrive(self, mail_id: UUID, *, now: datetime) -> bool:
        """Make a parked mail due again, as if it were new."""
        ...


class AddressChanges(Protocol):
    """They go with their user, and change only in a work that holds the user."""

    async def add(self, change: AddressChange) -> None: ...

    async def by_id(self, change_id: UUID) -> AddressChange | None: ...

    async def of(self, user_id: UUID) -> Sequence[AddressChange]:
        """Every change of the user that is still kept, newest first."""
        ...

    async def newest(self, user_id: UUID) -> AddressChange | None:
        """The last that the user asked for, whatever has become of it."""
        ...

    async def keep(self, change: AddressChange) -> None:
        """Keep one that was added as it is now."""
        ...

    async def close(self, user_id: UUID, *, now: datetime, since: int = 0, back_to: str | None = None) -> None:
        """Those of the user that were asked for at this credential version or later lead back no more; where an
        address is given, those alone that lead back to it."""
        ...

    async def forget(self, user_id: UUID) -> None:
        """Remove those of the user that have not been confirmed."""
        ...


class Events(Protocol):
    async def add(self, *events: Event) -> None: ...

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Event]:
        """What happened to the user, newest first; `after` is the id of the last event seen."""
        ...


class Clients(Protocol):
    async def add(self, client: Client) -> None: ...

    async def by_id(self, client_id: UUID) -> Client | None: ...

    async def all(self) -> Sequence[Client]: ...

    async def remove(self, client_id: UUID) -> bool: ...


class Work(Protocol):
    """One piece of work: all of it happens, or none."""

    @property
    def users(self) -> Users: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def mails(self) -> Mails: ...
    @property
    def events(self) -> Events: ...
    @property
    def changes(self) -> AddressChanges: ...
    @property
    def clients(self) -> Clients: ...


Begin = Callable[[], AbstractAsyncContextManager[Work]]
"""`async with begin() as work:` the dedent is the commit; an exception undoes everything. What is called `step` is a
begin for one statement alone, which is done for good by itself."""
