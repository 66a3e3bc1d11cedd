"""A user account. Until its e-mail address is verified, it is only a claim to the address."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.mail import EmailLink
from domain.role import Role

NO_PASSWORD = ""
"""In the place of a hash: no password fits it, so a new one has to be chosen by mail."""


class Provenance(StrEnum):
    """Who created the account."""

    SELF = "self"
    OPERATOR = "operator"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`credential_version` counts changes of password or address; every link except a reset contains the value at
    its creation. A reset link contains `recovery_version`, which a password change does not raise: otherwise an
    attacker with the password could end the owner's reset link. A reset link older than `reset_link_at` is void.
    """

    id: UUID
    email: str
    username: str | None
    password_hash: str = field(repr=False)
    role: Role = Role.MEMBER
    verified: bool = False
    disabled: bool = False
    credential_version: int = 1
    created_at: datetime
    recovery_lag: int = 0
    reset_link_at: datetime | None = None
    provenance: Provenance = Provenance.SELF
    imported_at: datetime | None = None
    """None unless `provenance` is `IMPORT`; `created_at` may be older then."""

    @classmethod
    def registered(cls, *, id: UUID, email: str, username: str | None, password_hash: str, now: datetime) -> Self:
        return cls(id=id, email=email, username=username, password_hash=password_hash, created_at=now)

    @classmethod
    def created_by_operator(
        cls, *, id: UUID, email: str, username: str | None, password_hash: str, role: Role, now: datetime
    ) -> Self:
        user = cls.registered(id=id, email=email, username=username, password_hash=password_hash, now=now)
        return replace(user, role=role, provenance=Provenance.OPERATOR)

    @classmethod
    def imported(
        cls,
        *,
        id: UUID,
        email: str,
        username: str | None,
        password_hash: str,
        role: Role = Role.MEMBER,
        verified: bool = False,
        disabled: bool = False,
        created_at: datetime | None = None,
        now: datetime,
    ) -> Self:
        """`created_at` is when the account was created in the other system; None where that is unknown."""
        return cls(
            id=id,
            email=email,
            username=username,
            password_hash=password_hash,
            role=role,
            verified=verified,
            disabled=disabled,
            created_at=created_at or now,
            provenance=Provenance.IMPORT,
            imported_at=now,
        )

    @property
    def recovery_version(self) -> int:
        """Grows by the use of a reset link, a ban, another role and another address, never by a change of password.

        It is kept as the distance from the credential version, so that it starts where links of 0.2 stand.
        """
        return self.credential_version - self.recovery_lag

    @property
    def owns_address(self) -> bool:
        """Whether an import leaves the address to this user: it was verified, or imported before."""
        return self.verified or self.provenance is Provenance.IMPORT

    def can_reset_by(self, link: EmailLink) -> bool:
        """Whether this reset link is the newest, and nothing has happened that ends it."""
        # A link is issued at a whole second.
        newest = None if self.reset_link_at is None else self.reset_link_at.replace(microsecond=0)
        replaced = newest is not None and link.issued_at < newest
        return not self.disabled and not replaced and link.version == self.recovery_version

    def proven(self) -> Self:
        """The address has been proven; nothing else about the user changes."""
        return replace(self, verified=True)

    def with_password(self, password_hash: str) -> Self:
        """A new password; every link made before it is dead, but for reset links."""
        return replace(
            self,
            password_hash=password_hash,
            credential_version=self.credential_version + 1,
            recovery_lag=self.recovery_lag + 1,
        )

    def recovered(self, password_hash: str) -> Self:
        """A new password, or none, set by the owner of the mailbox; all earlier links stop working."""
        return replace(self, password_hash=password_hash, credential_version=self.credential_version + 1)

    def without_reset_links(self) -> Self:
        """Every reset link made before is dead; all else goes on."""
        return replace(self, recovery_lag=self.recovery_lag - 1)

    def moved(self, email: str) -> Self:
        """At another address, which has been proven; every link made before it is dead."""
        return replace(self, email=email, verified=True, credential_version=self.credential_version + 1)

    def displaced(self, email: str) -> Self:
        """Without the address, which another user has verified: only a claim to another."""
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
    def has_password(self) -> bool:
        return bool(self.password_hash)

    @property
    def governs(self) -> bool:
        """Whether this user counts as one of those who can administer the service."""
        return self.role is Role.ADMIN and self.verified and not self.disabled
