"""Issue an access token to a browser session, for scripts of the product that call the API."""

import math
from dataclasses import dataclass, replace

from application.ports import AccessTokenCodec, Clock, NewId
from application.sessions.resume_session import ResumeSession
from domain.tokens import AccessToken, BrowserToken


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSessionToken:
    """It cannot be refreshed: as long as the session lasts, its cookie gives the next one. It does not carry on a
    step-up of the caller, because it would outlast that."""

    access_codec: AccessTokenCodec
    resume_session: ResumeSession
    clock: Clock
    new_id: NewId

    async def __call__(self, caller: AccessToken) -> BrowserToken:
        """Raises `token_revoked`."""
        token = await self.resume_session(caller.session_id)
        text = self.access_codec.encode(replace(token, extra_id=self.new_id()))
        left = (token.expires_at - self.clock()).total_seconds()
        return BrowserToken(access_token=text, expires_in=max(math.ceil(left), 0))
