"""Token introspection (RFC 7662) and revocation (RFC 7009) for other services."""

from collections.abc import Callable
from typing import Annotated, Any

from litestar import MediaType
from litestar.di import NamedDependency
from litestar.params import SkipValidation, URLEncodedBody
from msgspec import UNSET, Struct, UnsetType

from application.clients.introspect import Introspect
from application.clients.revoke import Revoke
from domain.authentication import AssuranceLevel
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken
from entrypoints.http.endpoint import post
from entrypoints.http.fields import AuthTime, documented
from entrypoints.http.guard import client_authenticated
from entrypoints.http.request import AnyRequest, client_of, strict_form


class TokenForm(Struct, frozen=True):
    """A client that sends no HTTP Basic credentials sends `client_id` and `client_secret` as well.

    Other parameters are ignored (RFC 6749, section 3.2; RFC 7662, section 2.1).
    """

    token: Annotated[
        str, documented("An access or a refresh token.", "eyJhbGciOiJFUzI1NiIs.eyJpc3MiOi.MEUCIQ", pattern=r"\S")
    ]
    token_type_hint: Annotated[str, documented("Ignored.", "access_token")] | UnsetType = UNSET

    def required_token(self) -> str:
        """The token; a parameter without a value counts as left out (RFC 6749, section 3.1)."""
        token = self.token.strip()
        if not token:
            raise Refusal(ErrorCode.MALFORMED, "must not be empty", field="token")
        return token


class Introspection(Struct, frozen=True, kw_only=True):
    """The response of RFC 7662 section 2.2. An inactive token has no other fields. Times are seconds since 1970."""

    active: Annotated[bool, documented("Whether the token is accepted at this moment.", True)]
    token_type: Annotated[str, documented("The kind of token.", "Bearer")] | UnsetType = UNSET
    sub: Annotated[str, documented("The user's id.", "0199a3c4-7d1e-7c3a-9b52-5f0e8a7d6c41")] | UnsetType = UNSET
    sid: Annotated[str, documented("The session's id.", "0199a3c4-8f20-7a11-8d07-1c9be2a45f33")] | UnsetType = UNSET
    jti: Annotated[str, documented("The token's id.", "0199a3c4-8f20-7a11-8d07-1c9be2a45f33.1")] | UnsetType = UNSET
    iss: Annotated[str, documented("The issuer.", "https://accounts.example.org")] | UnsetType = UNSET
    aud: Annotated[str | list[str], documented("The audience.", "https://accounts.example.org")] | UnsetType = UNSET
    client_id: Annotated[str, documented("Always `latchkey`.", "latchkey")] | UnsetType = UNSET
    iat: Annotated[int, documented("When the token was issued.", 1796040000)] | UnsetType = UNSET
    exp: Annotated[int, documented("When the token expires.", 1796040600)] | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    verified: Annotated[bool, documented("Whether the e-mail address is verified.", True)] | UnsetType = UNSET
    acr: AssuranceLevel | UnsetType = UNSET
    amr: Annotated[list[str], documented("How the person authenticated (RFC 8176).", ["pwd"])] | UnsetType = UNSET
    auth_time: AuthTime | UnsetType = UNSET
    username: Annotated[str, documented("The username, if there is one.", "ada")] | UnsetType = UNSET


@post(
    "/introspect",
    operation_id="introspectToken",
    summary="Introspect a token",
    tag="Services",
    policy=client_authenticated(budget=Limit.CLIENT),
    before_request=strict_form,
    status_code=200,
)
async def introspect_token(
    data: URLEncodedBody[TokenForm],
    introspect: NamedDependency[Introspect],
    claims: NamedDependency[SkipValidation[Callable[[AccessToken], dict[str, Any]]]],
) -> Introspection:
    """Check whether an access token is active, and whose it is (RFC 7662). Refresh tokens are never active."""
    result = await introspect(data.required_token())
    if result is None:
        return Introspection(active=False)
    token, user = result
    members = {"token_type": "Bearer", **claims(token), "username": user.username or UNSET}
    del members["gen"]
    return Introspection(active=True, **members)


@post(
    "/revoke",
    operation_id="revokeToken",
    summary="Revoke a token",
    tag="Services",
    policy=client_authenticated(budget=Limit.CLIENT),
    before_request=strict_form,
    media_type=MediaType.TEXT,
    status_code=200,
)
async def revoke_token(data: URLEncodedBody[TokenForm], request: AnyRequest, revoke: NamedDependency[Revoke]) -> str:
    """End the session of an access or refresh token (RFC 7009). The response is 200 for unknown tokens too."""
    await revoke(client_of(request), data.required_token())
    return ""


handlers = [introspect_token, revoke_token]
