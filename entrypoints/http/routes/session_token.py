"""Access tokens for browser sessions."""

from litestar.di import NamedDependency
from msgspec import Struct

from application.sessions.issue_session_token import IssueSessionToken
from domain.rate_limits import Limit
from entrypoints.http.endpoint import post
from entrypoints.http.fields import AccessSeconds, AccessToken
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.request import AnyRequest, caller_of


class SessionTokenResponse(Struct, frozen=True, kw_only=True):
    access_token: AccessToken
    expires_in: AccessSeconds


@post(
    "/session/token",
    operation_id="issueSessionToken",
    summary="Get an access token for a browser session",
    tag="Sessions",
    policy=signed_in(budget=Limit.SESSION_TOKEN, fresh=Fresh.NOT_NEEDED),
    status_code=200,
    errors=["cross_site"],
)
async def session_token(
    request: AnyRequest, issue_session_token: NamedDependency[IssueSessionToken]
) -> SessionTokenResponse:
    """For scripts of single-page apps, which then keep nothing durable. The sign-in page sets the cookie.

    Call it from the origin of Latchkey, or from an allowed origin of the same site with `credentials: "include"`."""
    token = await issue_session_token(caller_of(request))
    return SessionTokenResponse(access_token=token.access_token, expires_in=token.expires_in)


handlers = [session_token]
