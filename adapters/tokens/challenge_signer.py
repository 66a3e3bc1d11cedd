"""Challenges, signed with a key for each purpose."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from adapters.tokens.purpose_signer import PurposeSigner
from application.factors.ports import ChallengeSigner
from domain.challenge import NONCE_LENGTH, Challenge, ChallengePurpose
from domain.refusals import challenge_invalid

_HEAD = struct.Struct(f">16sIQ{NONCE_LENGTH}s")
"""User (zero if there is none), version, time of issue in whole seconds since 1970, nonce. The secret follows."""
_NO_USER = UUID(int=0)


class ItsDangerousChallengeSigner(ChallengeSigner):
    """`secrets` go from newest to oldest: the first signs, all verify. Raises ValueError for one below 32 bytes."""

    def __init__(self, *, secrets: Sequence[bytes]) -> None:
        self._signer = PurposeSigner("latchkey.challenge", ChallengePurpose, secrets=secrets)

    def sign(self, challenge: Challenge) -> str:
        user_id = challenge.user_id or _NO_USER
        issued_at = int(challenge.issued_at.timestamp())
        head = _HEAD.pack(user_id.bytes, challenge.version, issued_at, challenge.nonce)
        return self._signer.sign(head + challenge.secret, challenge.purpose)

    def verify(self, text: str, purpose: ChallengePurpose) -> Challenge:
        try:
            body = self._signer.verify(text, purpose)
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
        except (struct.error, ValueError, OverflowError, OSError):
            raise challenge_invalid() from None
