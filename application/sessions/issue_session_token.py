"""Issue an access token to a browser session, for scripts of the product that call the API."""

from dataclasses import dataclass, replace

from application.ports import AccessTokenCodec, Clock
from domain.session import Lifetimes
from domain.tokens import AccessToken, BrowserToken


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSessionToken:
    """It cannot be refreshed: as long as the session lasts, its cookie gives the next one."""

    access_codec: AccessTokenCodec
    lifetimes: Lifetimes
    clock: Clock

    def __call__(self, caller: AccessToken) -> BrowserToken:
        now = self.clock()
        token = replace(caller, issued_at=now, expires_at=now + self.lifetimes.access)
        return BrowserToken(
            access_token=self.access_codec.encode(token), expires_in=int(self.lifetimes.access.total_seconds())
        )
