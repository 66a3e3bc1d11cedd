"""User accounts. Several unverified users can have the same e-mail address. At most one user of it is verified."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.authentication import AssuranceLevel
from domain.factor import FactorKind, highest_level
from domain.outbox import EmailLink
from domain.rate_limits import RATES, Limit
from domain.role import Role

NO_PASSWORD = ""
"""The hash of a user without a password. No password matches it; the user sets one by a reset link."""


_MANY = RATES[Limit.MAIL_RECIPIENT][0].times
"""Registrations of an address after which its owner may be refused."""


class Provenance(StrEnum):
    """Who created the account."""

    SELF = "self"
    OPERATOR = "operator"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`credential_version` counts changes of password or address; every link except a reset contains the value at
    its creation. A reset link contains `recovery_version`, which a password change does not raise: otherwise an
    attacker with the password could invalidate the owner's reset link. A reset link older than `reset_link_at` is
    invalid.
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
    factors: tuple[FactorKind, ...] = ()
    """The kinds of the user's factors. Written together with the factors."""
    factor_version: int = 0
    """Counts changes of the user's factors."""
    locale: str | None = None
    """The language of pages and mails. None leaves the choice to each request."""

    @classmethod
    def registered(
        cls,
        *,
        id: UUID,
        email: str,
        username: str | None,
        password_hash: str,
        locale: str | None = None,
        now: datetime,
    ) -> Self:
        return cls(id=id, email=email, username=username, password_hash=password_hash, locale=locale, created_at=now)

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
        """`created_at` is when the account was created in the other system, or None if that is unknown."""
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
        """Grows with the use of a reset link, a ban, a change of role or of address, but not of the password.

        `recovery_lag` stores the distance from the credential version, so that reset links of 0.2 stay valid.
        """
        return self.credential_version - self.recovery_lag

    @property
    def owns_email(self) -> bool:
        """Whether an import leaves the address to this user, who has verified it or was imported before."""
        return self.verified or self.provenance is Provenance.IMPORT

    def can_reset_by(self, link: EmailLink) -> bool:
        """Whether this reset link is the newest, and no later event has invalidated it."""
        # `link.issued_at` has whole seconds.
        newest = None if self.reset_link_at is None else self.reset_link_at.replace(microsecond=0)
        replaced = newest is not None and link.issued_at < newest
        return not self.disabled and not replaced and link.version == self.recovery_version

    def mark_verified(self) -> Self:
        """The user with a verified address, otherwise unchanged."""
        return replace(self, verified=True)

    def with_password(self, password_hash: str) -> Self:
        """The user with a new password. All earlier links are invalid, except reset links."""
        return replace(
            self,
            password_hash=password_hash,
            credential_version=self.credential_version + 1,
            recovery_lag=self.recovery_lag + 1,
        )

    def recovered(self, password_hash: str) -> Self:
        """The user with a new password, or none, set by the owner of the mailbox. All earlier links are invalid."""
        return replace(self, password_hash=password_hash, credential_version=self.credential_version + 1)

    def without_reset_links(self) -> Self:
        """The user with all earlier reset links invalid; other links stay valid."""
        return replace(self, recovery_lag=self.recovery_lag - 1)

    def with_email(self, email: str) -> Self:
        """The user at another, verified address. All earlier links are invalid."""
        return replace(self, email=email, verified=True, credential_version=self.credential_version + 1)

    def evicted_from_email(self, email: str) -> Self:
        """The user at another, unverified address, because another user verifies the present one. All earlier links
        are invalid."""
        return replace(self, email=email, verified=False, credential_version=self.credential_version + 1)

    @property
    def effective_role(self) -> Role:
        """The role in force: `member` for an unverified user."""
        return self.role if self.verified else Role.MEMBER

    def can_manage(self, other: Self) -> bool:
        """Whether this user may manage `other`: themselves, an unverified user, or a user with a lower role."""
        return self.id == other.id or not other.verified or not other.role.includes(self.role)

    @property
    def highest_level(self) -> AssuranceLevel:
        """The highest assurance level that this user can reach."""
        return highest_level(self.factors)

    def must_have_factor(self, required_from: Role | None) -> bool:
        """Whether users with this role or a higher one must have a second factor, and this is one of them. Only
        verified users hold a role, and can add a factor."""
        return required_from is not None and self.verified and self.role.includes(required_from)

    @property
    def has_password(self) -> bool:
        return bool(self.password_hash)

    @property
    def is_active_admin(self) -> bool:
        """Whether this user is an active admin: verified and not disabled."""
        return self.role is Role.ADMIN and self.verified and not self.disabled


def is_contested(users: Collection[User]) -> bool:
    """Whether several people may have registered the address of these unverified users: their passwords differ (equal
    ones have equal hashes, because they share a salt), or the limit of registrations may have refused another."""
    return len({user.password_hash for user in users}) > 1 or len(users) >= _MANY
