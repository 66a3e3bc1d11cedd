"""Challenges: what the next step of a login, an enrolment or a step-up must answer.

A challenge is signed and given to the client. It is stored only when it is used, so that it works once.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

LIFETIME = timedelta(minutes=5)
NONCE_LENGTH = 32
"""Random bytes (WebAuthn Level 3, section 13.4.3 asks for 16 or more)."""
MOST_ATTEMPTS = 5


class ChallengePurpose(StrEnum):
    """A challenge of one purpose is invalid for all others."""

    LOGIN = "login"
    """The second step of a login; the password was right."""
    PASSKEY_LOGIN = "passkey_login"
    """Of no user: a passkey says who it is."""
    ADD_PASSKEY = "add_passkey"
    ADD_TOTP = "add_totp"
    STEP_UP = "step_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """`user_id` is None for `PASSKEY_LOGIN`. `version` is the user's credential version. `secret` is the encrypted
    TOTP secret of `ADD_TOTP`, and empty otherwise. `issued_at` has whole seconds."""

    purpose: ChallengePurpose
    user_id: UUID | None
    version: int
    nonce: bytes = field(repr=False)
    issued_at: datetime
    secret: bytes = field(default=b"", repr=False)

    @property
    def expires_at(self) -> datetime:
        return self.issued_at + LIFETIME

    def expired(self, now: datetime) -> bool:
        return now >= self.expires_at

    @property
    def digest(self) -> bytes:
        """Stored when the challenge is used."""
        return hashlib.sha256(b"challenge:" + self.nonce).digest()
