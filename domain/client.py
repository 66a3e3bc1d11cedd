"""Another program of ours, known by name, that may ask about tokens."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`secret_digest` is the SHA-256 of a secret with 256 random bits, which a fast hash does not weaken."""

    id: UUID
    name: str
    secret_digest: bytes = field(repr=False)
    created_at: datetime


def digest_of(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
