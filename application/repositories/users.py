"""Users as a collection: who holds an address, and who merely claims it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.deletion import Deletion
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True)
class Proof:
    """A user whose address is proven; `fresh` where it was not before, `contested` where other unverified users had
    the address too, with another password: any of them may have chosen it. (They share a salt, so one password is one
    hash.)"""

    user: User
    fresh: bool
    contested: bool = False


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


class Users(Protocol):
    async def add(self, user: User) -> None:
        """Add a claim, however many there are to its address or username; `prove` makes it more than that."""
        ...

    async def by_id(self, user_id: UUID) -> User | None: ...

    async def by_email(self, email: str) -> User | None:
        """The verified user of that address, or else the newest claim to it."""
        ...

    async def by_emails(self, emails: Collection[str]) -> Mapping[str, User]:
        """Of each of these addresses, whom `by_email` finds."""
        ...

    async def claims(self, email: str) -> int:
        """How many unverified users share the address."""
        ...

    async def rival_hash(self, email: str, username: str | None, *, alone: bool = False) -> str | None:
        """The hash of the first unverified user of the address, or else of the username. With `alone`, other such
        calls for the same address wait until this unit of work ends."""
        ...

    async def by_username(self, username: str) -> User | None:
        """The verified user of that name, whatever its case, or else the newest claim to it."""
        ...

    async def prove(self, user_id: UUID, *, credential_version: int, now: datetime) -> Proof | None:
        """Mark the address as proven and remove every other claim to it, with the claims' sessions.

        None if the user is gone, its credentials have changed, or another user has verified the address.
        Proving twice is proving once. A username that was taken meanwhile is given up.
        """
        ...

    async def hold(self, user_id: UUID, *, email: str | None = None, governors: bool = False) -> Sequence[User]:
        """Lock the user and all users of that address until this work is done; also all users who can administer the
        service, with `governors` or if one of that address can. Lock everything in one call to avoid deadlocks."""
        ...

    async def move(self, user_id: UUID, email: str, *, over: Collection[User], now: datetime) -> User | None:
        """The user at an address that they have proven, with the next version. Deletes the given unverified users of
        the address. None if they are gone, or another user has verified it. Lock all of them first."""
        ...

    async def displace(self, user_id: UUID, *, to: str) -> User | None:
        """The user as an unverified claim to another address, with the next version. While a change to it waits for
        confirmation, a user who verifies that address does not remove them. Lock them first."""
        ...

    async def replace_password(
        self, user_id: UUID, password_hash: str, *, credential_version: int, recovered: bool = False
    ) -> User | None:
        """The user with the new hash and the next version; None where the version has moved on. Reset links stay
        good, unless the owner of the mailbox has `recovered` it."""
        ...

    async def note_reset_links(self, issued: Mapping[UUID, datetime]) -> None:
        """For each of these users a reset link of that time exists: older ones are refused from now on."""
        ...

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        """Keep a better hash of the same password, unless the hash has changed meanwhile."""
        ...

    async def governors(self) -> Sequence[UUID]:
        """All users who can administer the service. Lock them all before removing one of them."""
        ...

    async def set_role(self, user_id: UUID, role: Role) -> User | None:
        """Ends reset links too."""
        ...

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None:
        """Disabling ends reset links too."""
        ...

    async def remove(self, user_id: UUID, *, now: datetime, until: datetime | None = None) -> bool:
        """The user is gone at once, however long their history; end their sessions first. `until` then, `bring_back`
        undoes it. The history is removed later, a little at a time (`Leftovers`): sessions and events stay, the ones
        without a name, the others without the places that they came from."""
        ...

    async def deletion(self, user_id: UUID) -> Deletion | None:
        """How the user was removed; None where nothing is left, or they are there."""
        ...

    async def deletion_at(self, email: str, *, now: datetime) -> Deletion | None:
        """The latest deletion of a user of that address that can still be undone."""
        ...

    async def bring_back(self, user_id: UUID, *, email: str, now: datetime) -> User | None:
        """The user who was removed, as an unverified one of that address without a password, with their history; None
        where that cannot be undone. Lock all users of the address first."""
        ...

    async def rename(self, user_id: UUID, username: str | None) -> User | None:
        """None where the user is gone, or a verified user has that name already."""
        ...

    async def owners_of(self, emails: Collection[str]) -> Mapping[str, User]:
        """Of each of these addresses its verified user, or else the newest imported one."""
        ...

    async def previously_imported(self, emails: Collection[str]) -> Collection[str]:
        """Those of these addresses for which `bulk_insert` has added a user, who may be gone since."""
        ...

    async def bulk_insert(self, imported: Sequence[User], *, now: datetime) -> Sequence[User]:
        """Add imported users, verified or not, each with an address of its own, and return those that were added.

        Skips a user if a verified user has the address, if an imported unverified user has it and this one is
        unverified too, or if the address was `previously_imported` and is free now. A verified user replaces all
        unverified ones of the address. A username that a verified user has is dropped.
        """
        ...

    async def page(self, *, query: str, role: Role | None, limit: int, after: Place | None) -> Sequence[Found]:
        """Users whose address starts with the query (in lower case), in the order of their addresses; then those
        whose username does, sorted by these. Without a query, all users sorted by id."""
        ...
