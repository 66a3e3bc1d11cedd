"""Ports of second factors. None does I/O, except that `SecretBox` may read its keys again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from domain.challenge import Challenge, ChallengePurpose
from domain.factor import Passkey
from domain.user import User

Json = Mapping[str, Any]

NewBytes = Callable[[int], bytes]
"""That many random bytes from the operating system."""


class ChallengeSigner(Protocol):
    """Signs challenges as URL-safe text, and verifies them. Callers check the expiry."""

    def sign(self, challenge: Challenge) -> str: ...

    def verify(self, text: str, purpose: ChallengePurpose) -> Challenge:
        """Raises `challenge_invalid`, also for a challenge of another purpose."""
        ...


class SecretBox(Protocol):
    """Encrypts secrets for storage (AES-256-GCM). `context` names what the secret belongs to; another context does
    not decrypt it."""

    def encrypt(self, secret: bytes, *, context: bytes) -> bytes:
        """Raises `unavailable` if this installation has no key."""
        ...

    def decrypt(self, encrypted: bytes, *, context: bytes) -> bytes | None:
        """None if no key of this installation decrypts it."""
        ...

    def is_current(self, encrypted: bytes) -> bool:
        """Whether the newest key has encrypted it."""
        ...


class OneTimePasswords(Protocol):
    """TOTP (RFC 6238): SHA-1, 6 digits, 30 seconds, as authenticator apps expect."""

    def new_secret(self) -> bytes: ...

    def step(self, secret: bytes, code: str, *, now: datetime) -> int | None:
        """The time step of a code: the current one, the one before or the one after. None for a wrong code."""
        ...

    def shown(self, secret: bytes) -> str:
        """The secret as a person types it into an app: base32."""
        ...

    def uri(self, secret: bytes, *, account: str) -> str:
        """The `otpauth:` URI for authenticator apps."""
        ...

    def qr_code(self, uri: str) -> str:
        """The URI as a QR code: SVG text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What an authenticator says at a login with a passkey. `names_user` is whether it gave the user handle."""

    sign_count: int
    backed_up: bool
    names_user: bool


class Passkeys(Protocol):
    """WebAuthn Level 3. `credential` is the JSON of a `PublicKeyCredential` (`toJSON()`), unchecked."""

    def creation_options(self, user: User, nonce: bytes, *, exclude: Sequence[bytes]) -> Json:
        """`PublicKeyCredentialCreationOptionsJSON` for a discoverable passkey with user verification."""
        ...

    def request_options(self, nonce: bytes, *, allow: Sequence[bytes] = ()) -> Json:
        """`PublicKeyCredentialRequestOptionsJSON`. Without `allow`, any passkey of this site."""
        ...

    def verify_registration(self, credential: Json, nonce: bytes) -> Passkey:
        """Raises `passkey_unsuitable` or `factor_invalid`."""
        ...

    def credential_id(self, credential: Json) -> bytes:
        """The id that the credential claims to have. Raises `factor_invalid`."""
        ...

    def verify_assertion(self, credential: Json, nonce: bytes, passkey: Passkey, *, user_id: UUID) -> Assertion:
        """Raises `factor_invalid`. The user handle, if there is one, must be that of `user_id`. Does not judge the
        signature counter."""
        ...


def totp_context(user_id: UUID, factor_id: UUID) -> bytes:
    """The context of a stored TOTP secret."""
    return b"totp:" + user_id.bytes + factor_id.bytes


def enrolment_context(user_id: UUID, nonce: bytes) -> bytes:
    """The context of the TOTP secret in a challenge."""
    return b"enrolment:" + user_id.bytes + nonce
