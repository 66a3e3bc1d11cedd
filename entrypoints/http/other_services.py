"""What other services ask about whoever calls them."""

from typing import Any

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from msgspec import UNSET, Struct, UnsetType

from adapters.jwt_sealer import JwtSealer
from application.authenticate import Authenticate
from application.introspect import Introspect
from application.revoke import Revoke
from domain.client import Client
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.token import AccessToken
from entrypoints.http.guard import a_client, signed_in
from entrypoints.http.problems import refusals
from entrypoints.http.reading import strict_form

_SAID = {
    "X-Auth-User": "The caller's id.",
    "X-Auth-Role": "The caller's role; worth nothing unless X-Auth-Verified is true.",
    "X-Auth-Session": "The id of the caller's session.",
    "X-Auth-Verified": "`true` or `false`: whether the caller has proven their address.",
}


@get(
    "/forward-auth",
    guards=signed_in(query={"role"}),
    media_type=MediaType.TEXT,
    response_headers=[
        ResponseHeader(name=name, description=said, documentation_only=True) for name, said in _SAID.items()
    ],
    responses=refusals("token_missing", "token_revoked", "not_verified", "role_required"),
)
async def forward_auth(
    request: Request[Any, Any, Any],
    caller: NamedDependency[AccessToken],
    authenticate: NamedDependency[Authenticate],
    role: FromQuery[Role | None] = None,
) -> Response[str]:
    """Who is calling, for a proxy in front of another service. Nothing is said in the body.

    Without `role` anybody who is logged in passes, proven address or not; ask for `?role=member` to require one.
    """
    if role is not None:
        caller = await authenticate.insist(caller, role)
    elif request.query_params:
        # The framework takes the word "null" for no role at all.
        raise Refusal(Code.MALFORMED, "There is no such role.", field="role")
    headers = {
        "X-Auth-User": str(caller.user_id),
        "X-Auth-Role": caller.role.value,
        "X-Auth-Session": str(caller.session_id),
        "X-Auth-Verified": "true" if caller.verified else "false",
    }
    return Response("", headers=headers)


class TokenForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`token_type_hint` may be left out, and changes nothing."""

    token: str
    token_type_hint: str = ""

    def said(self) -> str:
        """The token; a parameter without a value counts as left out (RFC 6749, section 3.1)."""
        if not self.token:
            raise Refusal(Code.MALFORMED, "Say which token.", field="token")
        return self.token


class Introspection(Struct, frozen=True, kw_only=True):
    """RFC 7662, section 2.2. Nothing but `active` is said of what is not; times are seconds since 1970."""

    active: bool
    token_type: str | UnsetType = UNSET
    sub: str | UnsetType = UNSET
    sid: str | UnsetType = UNSET
    jti: str | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    aud: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    exp: int | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    verified: bool | UnsetType = UNSET
    username: str | UnsetType = UNSET


@post(
    "/introspect", guards=a_client(), before_request=strict_form, status_code=200, responses=refusals("rate_limited")
)
async def introspect_token(
    data: URLEncodedBody[TokenForm],
    introspect: NamedDependency[Introspect],
    access_sealer: NamedDependency[JwtSealer],
) -> Introspection:
    """Whether an access token is welcome at this moment, and whose it is (RFC 7662). A refresh token never is."""
    found = await introspect(data.said())
    if found is None:
        return Introspection(active=False)
    token, user = found
    claims = {"token_type": "Bearer", **access_sealer.claims(token), "username": user.username or UNSET}
    del claims["gen"]
    return Introspection(active=True, **claims)


@post(
    "/revoke",
    guards=a_client(),
    before_request=strict_form,
    media_type=MediaType.TEXT,
    status_code=200,
    responses=refusals("rate_limited"),
)
async def revoke_token(
    data: URLEncodedBody[TokenForm], client: NamedDependency[Client], revoke: NamedDependency[Revoke]
) -> str:
    """End the session of an access or a refresh token (RFC 7009), everywhere. 200 also for what is no token."""
    await revoke(client, data.said())
    return ""


handlers = [forward_auth, introspect_token, revoke_token]
