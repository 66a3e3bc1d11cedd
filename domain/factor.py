"""Second factors of a user: passkeys (WebAuthn), TOTP (RFC 6238) and recovery codes.

Each change of a user's factors raises `User.factor_version`. A factor holds the versions that added and removed
it, so that an undo can restore the factors of any earlier version.
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.authentication import AssuranceLevel
from domain.messages import translatable
from domain.refusals import ErrorCode, Refusal

MOST_PASSKEYS = 10
"""Of one user."""

RECOVERY_CODES = 10
RECOVERY_CODE_LENGTH = 24
"""Characters of base32: 120 bits."""

TOTP_PERIOD = timedelta(seconds=30)
TOTP_DIGITS = 6
TOTP_WINDOW = 1
"""How many steps earlier or later than the clock a code may be (RFC 6238 section 5.2)."""

LONGEST_FACTOR_NAME = 100


class FactorKind(StrEnum):
    PASSKEY = "passkey"
    TOTP = "totp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A WebAuthn credential. `public_key` is a COSE key (RFC 9052). `backup_eligible` is whether the authenticator
    may synchronize it to other devices, and `backed_up` whether it has done so."""

    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    backup_eligible: bool
    backed_up: bool

    def is_cloned(self, sign_count: int) -> bool:
        """Whether this signature counter of an assertion shows a copy of the key. An authenticator without a counter
        sends 0, and copies of a synchronized passkey are normal (WebAuthn Level 3, section 6.1.1)."""
        return not self.backup_eligible and self.sign_count > 0 and sign_count <= self.sign_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Totp:
    """`encrypted_secret` is encrypted for this user and factor. A code of `last_step` or earlier is used up."""

    encrypted_secret: bytes = field(repr=False)
    last_step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """`added_in` and `removed_in` are factor versions of the user; None in `removed_in` means in use."""

    id: UUID
    user_id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None = None
    added_in: int
    removed_in: int | None = None
    removed_at: datetime | None = None
    credential: Passkey | Totp

    @property
    def kind(self) -> FactorKind:
        return FactorKind.PASSKEY if isinstance(self.credential, Passkey) else FactorKind.TOTP

    @property
    def passkey(self) -> Passkey | None:
        return self.credential if isinstance(self.credential, Passkey) else None

    @property
    def totp(self) -> Totp | None:
        return self.credential if isinstance(self.credential, Totp) else None

    def removed(self, version: int, now: datetime) -> Self:
        return replace(self, removed_in=version, removed_at=now)

    def existed_in(self, version: int) -> bool:
        return self.added_in <= version and (self.removed_in is None or self.removed_in > version)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCode:
    """`digest` is the SHA-256 of the code: 120 random bits need no slow hash. Versions as in `Factor`."""

    id: UUID
    user_id: UUID
    digest: bytes = field(repr=False)
    created_at: datetime
    used_at: datetime | None = None
    added_in: int
    removed_in: int | None = None
    removed_at: datetime | None = None

    def existed_in(self, version: int) -> bool:
        return self.added_in <= version and (self.removed_in is None or self.removed_in > version)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodeCount:
    """`left` is the number of unused codes of the newest set, which was created at `created_at`. `added_in` as in
    `Factor`."""

    left: int
    created_at: datetime
    added_in: int


class ChangeKind(StrEnum):
    """What happened after an undo point."""

    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    TOTP_ADDED = "totp_added"
    TOTP_REMOVED = "totp_removed"
    RECOVERY_CODES_REPLACED = "recovery_codes_replaced"
    RECOVERY_CODE_USED = "recovery_code_used"
    FACTORS_RESET = "factors_reset"
    PASSWORD_CHANGED = "password_changed"
    SESSION_STOLEN = "session_stolen"
    NEW_DEVICE = "new_device"
    PASSKEY_CLONED = "passkey_cloned"
    """A signature counter went back. Nothing was changed, but the key may have been copied."""


OF_FACTORS = frozenset(
    {
        *(ChangeKind.PASSKEY_ADDED, ChangeKind.PASSKEY_REMOVED, ChangeKind.TOTP_ADDED, ChangeKind.TOTP_REMOVED),
        *(ChangeKind.RECOVERY_CODES_REPLACED, ChangeKind.FACTORS_RESET),
    }
)
"""The changes that raise `User.factor_version`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPoint:
    """The state of an account before a change, to which the owner of the mailbox `email` can return: with that
    address and the factors of `factor_version`, without a password and without sessions.

    `closed_at` is when the owner has done so.
    """

    id: UUID
    user_id: UUID
    kind: ChangeKind
    email: str
    factor_version: int
    changed_at: datetime
    closed_at: datetime | None = None

    def is_in_effect(self, factors: Iterable[Factor], codes: RecoveryCodeCount | None) -> bool:
        """Whether this was a change of factors that still has an effect: something that it added is in use, or
        something that it removed is not. `factors` are all of the user, also removed ones."""
        version = self.factor_version + 1
        changed = any(
            one.removed_in == version or (one.added_in == version and one.removed_in is None) for one in factors
        )
        # The recovery codes of a first factor have the version after it.
        with_codes = codes is not None and codes.added_in in (version, version + 1)
        return self.kind in OF_FACTORS and (changed or with_codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierChange:
    """A change that an undo has not undone. `id` is that of the undo point; without `kind`, of a change of
    address."""

    id: UUID
    kind: ChangeKind | None
    changed_at: datetime


def highest_level(kinds: Collection[FactorKind]) -> AssuranceLevel:
    """The highest level that an account with these factors can reach."""
    if FactorKind.PASSKEY in kinds:
        return AssuranceLevel.PHISHING_RESISTANT
    return AssuranceLevel.AAL2 if FactorKind.TOTP in kinds else AssuranceLevel.AAL1


def credential_ids(factors: Collection[Factor]) -> list[bytes]:
    """Of the passkeys among these factors."""
    return [factor.passkey.credential_id for factor in factors if factor.passkey is not None]


def recovery_code_digest(code: str) -> bytes:
    """The digest of a code as a person typed it: hyphens, dashes, blanks and case do not matter."""
    return hashlib.sha256("".join(filter(str.isalnum, code)).upper().encode()).digest()


def passkey_unsuitable(reason: str) -> Refusal:
    """`reason` is `not_discoverable`, `not_verified` or `algorithm`."""
    text, extensions = _UNSUITABLE[reason], {"reason": reason}
    return Refusal(ErrorCode.PASSKEY_UNSUITABLE, text, field="credential", reason=reason, extensions=extensions)


_UNSUITABLE = {
    "not_discoverable": translatable("The authenticator did not store a discoverable passkey. Use another one."),
    "not_verified": translatable(
        "The authenticator did not verify the user by a PIN or biometrics. Set that up, or use another one."
    ),
    "algorithm": translatable("The authenticator uses a signature algorithm that is not offered. Use another one."),
}
