"""Forward auth: a proxy asks who is calling, for each request that it passes on."""

from typing import Any, cast

from litestar import MediaType, Response, get
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.params import FromQuery
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from application.authenticate import Authenticate
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.token import AccessToken
from entrypoints.http.guard import bearer, signed_in
from entrypoints.http.problems import refusals, send_refusal
from entrypoints.http.reading import AnyRequest, caller_of

PATH = "/v1/forward-auth"

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
    request: AnyRequest, authenticate: NamedDependency[Authenticate], role: FromQuery[Role | None] = None
) -> Response[str]:
    """Who is calling, for a proxy in front of another service. Nothing is said in the body.

    Without `role` anybody who is logged in passes, proven address or not; ask for `?role=member` to require one.
    """
    caller = caller_of(request)
    if role is not None:
        caller = await authenticate.insist(caller, role)
    elif request.query_params:
        # The framework takes the word "null" for no role at all.
        raise Refusal(Code.MALFORMED, "There is no such role.", field="role")
    return Response("", headers=_told_of(caller))


def _told_of(caller: AccessToken) -> dict[str, str]:
    return {
        "X-Auth-User": str(caller.user_id),
        "X-Auth-Role": caller.role.value,
        "X-Auth-Session": str(caller.session_id),
        "X-Auth-Verified": "true" if caller.verified else "false",
    }


class Shortcut:
    """Past the framework, which costs more than the question. What is asked plainly is answered here; anything else
    (another query, a browser's Origin) goes on to the route above, and either says the same."""

    def __init__(self, app: ASGIApp, authenticate: Authenticate) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["path"] == PATH and _is_plain(scope):
            await self._answer(scope, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: HTTPScope, send: Send) -> None:
        cast("dict[str, Any]", scope)["path_template"] = PATH
        said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        try:
            caller = await self._authenticate(bearer(said), role=_ROLES[scope["query_string"]])
        except Refusal as refusal:
            await send_refusal(scope, send, refusal)
            return
        told = zip(_NAMES, _told_of(caller).values(), strict=True)
        headers = [*_EMPTY, *[(name, value.encode()) for name, value in told]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


_ROLES: dict[bytes, Role | None] = {b"": None} | {f"role={role}".encode(): role for role in Role}
_NAMES = [name.lower().encode() for name in _SAID]
_EMPTY = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"0")]


def _is_plain(scope: HTTPScope) -> bool:
    return (
        scope["method"] == "GET"
        and scope["query_string"] in _ROLES
        and all(name != b"origin" for name, _ in scope["headers"])
    )


handlers = [forward_auth]
