"""Several of our own hashes with the same salt and settings: the password is hashed once, and compared with each."""

from collections.abc import Sequence
from hmac import compare_digest

from argon2 import extract_parameters, low_level

from adapters.passwords.foreign_digests import from_base64


def salt_of(text: str) -> bytes:
    return from_base64(text.split("$")[-2])


def tag_of(text: str) -> bytes:
    return from_base64(text.rpartition("$")[2])


def with_same_salt(text: str, others: Sequence[str]) -> Sequence[tuple[int, str]]:
    """Those of `others` that differ from `text` in the tag alone, each with its index."""
    start, _, tag = text.rpartition("$")
    size = len(start) + 1 + len(tag)
    return [(at, other) for at, other in enumerate(others) if other.startswith(f"{start}$") and len(other) == size]


def find_match(secret: bytes, text: str, others: Sequence[tuple[int, str]]) -> int | None:
    """0 if the secret matches `text`, or the index of another hash plus one. Every hash is compared."""
    to = extract_parameters(text)
    digest = low_level.hash_secret_raw(
        secret, salt_of(text), to.time_cost, to.memory_cost, to.parallelism, to.hash_len, to.type, to.version
    )
    matching = [0] if compare_digest(digest, tag_of(text)) else []
    matching += [at + 1 for at, other in others if compare_digest(digest, tag_of(other))]
    return matching[0] if matching else None
