"""Issue the token pair of a session at its current generation. Deterministic: repeated calls return the same pair."""

import math
from dataclasses import dataclass, replace
from datetime import timedelta

from application.ports import AccessTokenCodec, Clock, NewId, RefreshTokenCodec
from domain.authentication import Authentication
from domain.session import Lifetimes, Session
from domain.tokens import AccessToken, RefreshToken, SteppedUpToken, TokenPair
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueTokens:
    access_codec: AccessTokenCodec
    refresh_codec: RefreshTokenCodec
    lifetimes: Lifetimes
    step_up_ttl: timedelta
    clock: Clock
    new_id: NewId

    def __call__(self, session: Session, user: User) -> TokenPair:
        now = self.clock()
        issued_at = session.rotated_at
        access = AccessToken.of(session, user, issued_at=issued_at, until=issued_at + self.lifetimes.access)
        return TokenPair(
            access_token=self.access_codec.encode(access),
            refresh_token=self.refresh_codec.encode(
                RefreshToken(session_id=session.id, generation=session.generation)
            ),
            expires_in=_seconds(access.expires_at - now),
            refresh_expires_in=_seconds(session.expires_at - now),
            session_id=session.id,
        )

    def stepped_up(
        self, session: Session, generation: int, user: User, authentication: Authentication
    ) -> SteppedUpToken:
        """An access token of that generation of the session, for another authentication. It expires when that is no
        longer fresh."""
        now = self.clock()
        until = authentication.at + min(self.step_up_ttl, self.lifetimes.access)
        token = replace(
            AccessToken.of(session, user, issued_at=now, until=until),
            generation=generation,
            authentication=authentication,
            extra_id=self.new_id(),
        )
        return SteppedUpToken(
            access_token=self.access_codec.encode(token),
            expires_in=_seconds(token.expires_at - now),
            authentication=authentication,
        )


def _seconds(left: timedelta) -> int:
    return max(math.ceil(left.total_seconds()), 0)
