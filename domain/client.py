"""A service that may introspect and revoke tokens."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`secret_digest` is the SHA-256 of the secret. The secret has 256 random bits, so a fast hash is safe."""

    id: UUID
    name: str
    secret_digest: bytes = field(repr=False)
    created_at: datetime


def digest_of(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
