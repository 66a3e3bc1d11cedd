"""Users. Several unverified users can have the same address or username. At most one user of it is verified."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.deletion import Deletion
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True)
class Verification:
    """A user with a verified address. `first_time` is whether it was unverified before. See `is_contested` for
    `contested`."""

    user: User
    first_time: bool
    contested: bool = False


EMAIL_KEY, USERNAME_KEY = "@", "~"
"""First character of `UserHit.key`. It sorts users found by address before those found by username."""


@dataclass(frozen=True, slots=True)
class PageCursor:
    """Where a page ended: the sort key of the last user, empty if users are sorted by id, and the id."""

    id: UUID
    key: str = ""


@dataclass(frozen=True, slots=True)
class UserHit:
    """A user and its sort key."""

    user: User
    key: str = ""


class Users(Protocol):
    async def add(self, user: User) -> None:
        """Insert an unverified user. Others may have the same address or username."""
        ...

    async def by_id(self, user_id: UUID) -> User | None: ...

    async def by_email(self, email: str) -> User | None:
        """The verified user of the address, or else its newest unverified user."""
        ...

    async def by_emails(self, emails: Collection[str]) -> Mapping[str, User]:
        """`by_email` for several addresses. An unknown address is missing in the result."""
        ...

    async def count_unverified(self, email: str) -> int:
        """How many unverified users share the address."""
        ...

    async def unverified_hash(self, email: str, username: str | None, *, alone: bool = False) -> str | None:
        """The password hash of the first unverified user of the address, or else of the username, or None. With
        `alone`, other such calls for the same address wait until this unit of work ends."""
        ...

    async def by_username(self, username: str) -> User | None:
        """The verified user of the name, ignoring case, or else its newest unverified user."""
        ...

    async def verify_email(self, user_id: UUID, *, credential_version: int, now: datetime) -> Verification | None:
        """Mark the address as verified, delete the other unverified users of the address and end their sessions. Has
        no effect on a verified user. Removes the username if a verified user has it by now.

        Returns None if the user is gone, `credential_version` is stale, or another user has verified the address.
        """
        ...

    async def lock(self, user_id: UUID, *, email: str | None = None, with_admins: bool = False) -> Sequence[User]:
        """Lock the user and all users of `email` until the unit of work ends, and return them. Also lock all active
        admins, with `with_admins` or if one of them has the address. Lock everything in one call to avoid
        deadlocks."""
        ...

    async def change_email(self, user_id: UUID, email: str, *, over: Collection[User], now: datetime) -> User | None:
        """Move the user to a verified address, raise the credential version, and delete the unverified users `over`.
        Returns None if the user is gone or another user has verified the address. Lock all of them first."""
        ...

    async def evict_from_email(self, user_id: UUID, *, to: str) -> User | None:
        """Move the user, unverified, to another address, and raise the credential version. While their change to it
        is unconfirmed, a user who verifies that address does not delete them. Lock the user first."""
        ...

    async def replace_password(
        self, user_id: UUID, password_hash: str, *, credential_version: int, recovered: bool = False
    ) -> User | None:
        """Set the hash and raise the credential version. Returns None if `credential_version` is stale. Reset links
        stay valid, unless `recovered`: the owner of the mailbox has set the password."""
        ...

    async def record_reset_links(self, issued: Mapping[UUID, datetime]) -> None:
        """Record the issue time of each user's newest reset link. Older links are refused from now on."""
        ...

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        """Store a better hash of the same password, unless the hash is no longer `old`."""
        ...

    async def active_admin_ids(self) -> Sequence[UUID]:
        """The ids of all active admins. Lock them all before removing one."""
        ...

    async def set_role(self, user_id: UUID, role: Role) -> User | None:
        """Also invalidates reset links."""
        ...

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None:
        """Disabling also invalidates reset links."""
        ...

    async def remove(self, user_id: UUID, *, now: datetime, until: datetime | None = None) -> bool:
        """Delete the user, and return False if they are gone already. End their sessions first. Before `until`,
        `restore` undoes it. The history is purged later in batches: mails are deleted, sessions lose user id, IP
        address and device, and events lose IP address and device."""
        ...

    async def deletion(self, user_id: UUID) -> Deletion | None:
        """The deletion of the user; None if the user exists, or if all of their data has been removed."""
        ...

    async def undoable_deletion(self, email: str, *, now: datetime) -> Deletion | None:
        """The latest deletion of a verified user of the address that can still be undone, or None."""
        ...

    async def restore(self, user_id: UUID, *, email: str, now: datetime) -> User | None:
        """Restore a deleted user with their history, unverified, at that address and without a password. Returns None
        if the deletion cannot be undone. Lock all users of the address first."""
        ...

    async def rename(self, user_id: UUID, username: str | None) -> User | None:
        """Returns None if the user is gone or a verified user has the name."""
        ...

    async def set_locale(self, user_id: UUID, locale: str | None) -> User | None: ...

    async def owners_of(self, emails: Collection[str]) -> Mapping[str, User]:
        """The verified user of each address, or else its newest imported user. Other addresses are missing."""
        ...

    async def previously_imported(self, emails: Collection[str]) -> Collection[str]:
        """Those of the addresses for which `bulk_insert` has added a user, who may have been deleted since."""
        ...

    async def bulk_insert(self, imported: Sequence[User], *, now: datetime) -> Sequence[User]:
        """Insert imported users, whose addresses all differ, and return the inserted ones.

        Skips a user if a verified user has the address, if an imported unverified user has it and this one is
        unverified too, or if the address was `previously_imported` and is free now. A verified user replaces all
        unverified users of the address. A username that a verified user has is removed.
        """
        ...

    async def page(self, *, query: str, role: Role | None, limit: int, after: PageCursor | None) -> Sequence[UserHit]:
        """Users whose address begins with the query (in lower case), sorted by address; then users whose username
        does, sorted by username. With an empty query, all users, sorted by id."""
        ...
