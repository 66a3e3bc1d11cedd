"""A person, or somebody's claim to be one: until its address is proven a user is only a claim."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from domain.role import Role

NO_PASSWORD = ""
"""In the place of a hash: no password fits it, so a new one has to be chosen by mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`credential_version` counts changes of password or address; every link names the one it was made under."""

    id: UUID
    email: str
    username: str | None
    password_hash: str = field(repr=False)
    role: Role = Role.MEMBER
    verified: bool = False
    disabled: bool = False
    credential_version: int = 1
    created_at: datetime

    def proven(self) -> Self:
        """The address has been proven; nothing else about the user changes."""
        return replace(self, verified=True)

    def with_password(self, password_hash: str) -> Self:
        """A new password; every link made before it is dead."""
        return replace(self, password_hash=password_hash, credential_version=self.credential_version + 1)

    def moved(self, email: str) -> Self:
        """At another address, which has been proven; every link made before it is dead."""
        return replace(self, email=email, verified=True, credential_version=self.credential_version + 1)

    def displaced(self, email: str) -> Self:
        """Without the address, which somebody else has proven: no more than a claim to another."""
        return replace(self, email=email, verified=False, credential_version=self.credential_version + 1)

    @property
    def held_role(self) -> Role:
        """The role in force: an unverified user holds none above member."""
        return self.role if self.verified else Role.MEMBER

    def may_touch(self, other: Self) -> bool:
        """An actor touches themselves, and those who stand lower: never a peer, never a superior.

        Whose address is not proven holds no role, whatever is written down for them.
        """
        return self.id == other.id or not other.verified or not other.role.includes(self.role)

    @property
    def governs(self) -> bool:
        """Whether this user counts as one of those who can administer the service."""
        return self.role is Role.ADMIN and self.verified and not self.disabled
