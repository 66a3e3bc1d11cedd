"""Challenges, signed by itsdangerous: HMAC-SHA-256 with a key for each purpose."""

import hashlib
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from application.factors.ports import ChallengeSigner
from domain.challenge import NONCE_LENGTH, Challenge, ChallengePurpose
from domain.refusals import challenge_invalid

_LONGEST = 512
_HEAD = struct.Struct(f">16sIQ{NONCE_LENGTH}s")
"""User (zero if there is none), version, time of issue in whole seconds since 1970, nonce. The secret follows."""
_NO_USER = UUID(int=0)


class ItsDangerousChallengeSigner(ChallengeSigner):
    """`secrets` go from newest to oldest: the first signs, all verify. Raises ValueError for one below 32 bytes."""

    def __init__(self, *, secrets: Sequence[bytes]) -> None:
        if not secrets or min(map(len, secrets)) < 32:
            raise ValueError("signing challenges needs secrets of at least 32 bytes")
        self._signers = {
            purpose: Signer(
                # itsdangerous wants them from oldest to newest.
                list(reversed(secrets)),
                salt=f"latchkey.challenge.{purpose}",
                key_derivation="hmac",
                digest_method=hashlib.sha256,
            )
            for purpose in ChallengePurpose
        }

    def sign(self, challenge: Challenge) -> str:
        user_id = challenge.user_id or _NO_USER
        issued_at = int(challenge.issued_at.timestamp())
        head = _HEAD.pack(user_id.bytes, challenge.version, issued_at, challenge.nonce)
        return self._signers[challenge.purpose].sign(base64_encode(head + challenge.secret)).decode()

    def verify(self, text: str, purpose: ChallengePurpose) -> Challenge:
        try:
            if len(text) > _LONGEST or not text.isascii() or not all(map(_is_canonical, text.split("."))):
                raise ValueError("size or base64")
            body = base64_decode(self._signers[purpose].unsign(text))
            user, version, seconds, nonce = _HEAD.unpack(body[: _HEAD.size])
            user_id = UUID(bytes=user)
            return Challenge(
                purpose=purpose,
                user_id=None if user_id == _NO_USER else user_id,
                version=version,
                nonce=nonce,
                issued_at=datetime.fromtimestamp(seconds, UTC),
                secret=body[_HEAD.size :],
            )
        except (BadData, struct.error, ValueError, OverflowError, OSError):
            raise challenge_invalid() from None


def _is_canonical(segment: str) -> bool:
    """itsdangerous also accepts padding, stray characters and spare bits; a challenge has one valid text."""
    return base64_encode(base64_decode(segment)) == segment.encode()
