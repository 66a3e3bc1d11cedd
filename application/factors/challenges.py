"""Issues challenges, and accepts answers to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from application.factors.ports import ChallengeSigner, NewBytes
from application.ports import Clock, RateLimiter
from application.repositories import UnitOfWork
from domain.challenge import NONCE_LENGTH, Challenge, ChallengePurpose
from domain.rate_limit_buckets import challenge_bucket
from domain.refusals import ErrorCode, Refusal, challenge_expired, challenge_invalid
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenges:
    challenge_signer: ChallengeSigner
    rate_limiter: RateLimiter
    clock: Clock
    new_bytes: NewBytes

    def new(self, purpose: ChallengePurpose, user: User | None = None) -> Challenge:
        return Challenge(
            purpose=purpose,
            user_id=None if user is None else user.id,
            version=0 if user is None else user.credential_version,
            nonce=self.new_bytes(NONCE_LENGTH),
            issued_at=self.clock().replace(microsecond=0),
        )

    def sign(self, challenge: Challenge, *, secret: bytes = b"") -> str:
        return self.challenge_signer.sign(replace(challenge, secret=secret))

    def read(self, text: str, purpose: ChallengePurpose, *, user_id: UUID | None = None) -> Challenge:
        """`user_id` is the caller, if there is one. Raises `challenge_invalid` or `challenge_expired`."""
        challenge = self.challenge_signer.verify(text.strip(), purpose)
        if user_id is not None and challenge.user_id != user_id:
            raise challenge_invalid()
        if challenge.expired(self.clock()):
            raise challenge_expired()
        return challenge

    @asynccontextmanager
    async def answer(
        self, text: str, purpose: ChallengePurpose, *, user_id: UUID | None = None
    ) -> AsyncIterator[Challenge]:
        """Count an attempt to answer the challenge. `user_id` is the caller, if there is one. A refusal that is not
        about the answer returns the attempt. Raises `challenge_invalid` or `challenge_expired`."""
        challenge = self.read(text, purpose, user_id=user_id)
        try:
            attempt = await self.rate_limiter.acquire(challenge_bucket(challenge))
        except Refusal:
            raise challenge_invalid() from None
        try:
            yield challenge
        except Refusal as refusal:
            if refusal.code in _NOT_AN_ANSWER:
                await self.rate_limiter.cancel(attempt)
            raise


_NOT_AN_ANSWER = {ErrorCode.OVERLOADED, ErrorCode.UNAVAILABLE, ErrorCode.RATE_LIMITED, ErrorCode.MALFORMED}


async def use_challenge(work: UnitOfWork, challenge: Challenge) -> None:
    """Use up the challenge in this unit of work. Raises `challenge_invalid` if it was used before."""
    if not await work.factors.use_challenge(challenge.digest, expires_at=challenge.expires_at):
        raise challenge_invalid()
