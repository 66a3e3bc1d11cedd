"""Forward auth: a proxy asks who is calling, for each request that it passes on."""

from functools import lru_cache
from uuid import UUID

from litestar import MediaType, Response, get
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.types import HTTPScope

from application.authenticate import Authenticate
from domain.role import Role
from entrypoints.http.guard import bearer, signed_in
from entrypoints.http.problems import refusals
from entrypoints.http.reading import AnyRequest, caller_of
from entrypoints.http.shortcut import Headers, Way

PATH = "/v1/forward-auth"

_SAID = {
    "X-Auth-User": "The caller's id.",
    "X-Auth-Role": "The caller's role; worth nothing unless X-Auth-Verified is true.",
    "X-Auth-Session": "The id of the caller's session.",
    "X-Auth-Verified": "`true` or `false`: whether the caller has verified their e-mail address.",
}


@get(
    "/forward-auth",
    operation_id="forwardAuth",
    summary="Authorize a request for a proxy",
    tags=["Services"],
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
    """Authenticate a request for a proxy in front of another service. The response has no body.

    Without `role` every authenticated user passes, verified or not. Use `?role=member` to require a verified one.
    """
    caller = caller_of(request)
    if role is not None:
        caller = await authenticate.insist(caller, role)
    told = _spelled(caller.user_id, caller.session_id, caller.role, caller.verified)
    return Response("", headers={name.decode(): value.decode() for name, value in told})


@lru_cache(1024)
def _spelled(user_id: UUID, session_id: UUID, role: Role, verified: bool) -> Headers:
    told = str(user_id), role.value, str(session_id), "true" if verified else "false"
    return [(name, value.encode()) for name, value in zip(_NAMES, told, strict=True)]


def way(authenticate: Authenticate) -> Way:
    """The same without the framework."""

    async def answer(scope: HTTPScope, _: bytes) -> tuple[Headers, bytes]:
        caller = await authenticate(bearer(scope), role=_ROLES[scope["query_string"]])
        return [_TEXT, *_spelled(caller.user_id, caller.session_id, caller.role, caller.verified)], b""

    return Way(answer, queries=_ROLES.keys())


_ROLES: dict[bytes, Role | None] = {b"": None} | {f"role={role}".encode(): role for role in Role}
_NAMES = [name.lower().encode() for name in _SAID]
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


handlers = [forward_auth]
