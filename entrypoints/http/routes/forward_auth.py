"""Forward auth: a proxy asks who is calling, for each request that it passes on."""

from functools import lru_cache
from uuid import UUID

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import ResponseHeader
from litestar.params import FromQuery
from litestar.types import HTTPScope

from domain.role import Role
from domain.tokens import AccessToken
from entrypoints.http.endpoint import Headers, described_only, get
from entrypoints.http.guard import AccessChecks, authenticated
from entrypoints.http.validation import problem_of, refusal_of, rule_for

_DESCRIPTIONS = {
    "X-Auth-User": ("The caller's id.", "0199a3c4-7d1e-7c3a-9b52-5f0e8a7d6c41"),
    "X-Auth-Role": ("The caller's role; worth nothing unless X-Auth-Verified is true.", "member"),
    "X-Auth-Session": ("The id of the caller's session.", "0199a3c4-8f20-7a11-8d07-1c9be2a45f33"),
    "X-Auth-Verified": ("`true` or `false`: whether the caller has verified their e-mail address.", "true"),
}
"""Each with an example."""
_NAMES = [name.lower().encode() for name in _DESCRIPTIONS]
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


async def _identify(scope: HTTPScope, caller: AccessToken) -> tuple[Headers, bytes]:
    role = _required_role(scope) if scope["query_string"] else None
    if role is not None:
        caller = await AccessChecks.of(scope).authenticate.insist(caller, role)
    return [_TEXT, *_headers(caller.user_id, caller.session_id, caller.role, caller.verified)], b""


def _required_role(scope: HTTPScope) -> Role | None:
    """Raises `malformed`."""
    name = Request(scope).query_params.get("role")
    try:
        return None if name is None else msgspec.convert(name, Role)
    except msgspec.ValidationError as error:
        raise refusal_of([problem_of("role", rule_for(str(error), Role))]) from None


@lru_cache(1024)
def _headers(user_id: UUID, session_id: UUID, role: Role, verified: bool) -> Headers:
    values = str(user_id), role.value, str(session_id), "true" if verified else "false"
    return [(name, value.encode()) for name, value in zip(_NAMES, values, strict=True)]


@get(
    "/forward-auth",
    operation_id="forwardAuth",
    summary="Authorize a request for a proxy",
    tag="Services",
    policy=authenticated(query={"role"}),
    plain=_identify,
    answers_options=False,
    errors=["not_verified", "role_required"],
    media_type=MediaType.TEXT,
    response_headers=[
        ResponseHeader(name=name, description=text, example=example, documentation_only=True)
        for name, (text, example) in _DESCRIPTIONS.items()
    ],
)
async def forward_auth(role: FromQuery[Role | None] = None) -> Response[str]:
    """Authenticate a request for a proxy in front of another service. The response has no body.

    Without `role` every authenticated user passes, verified or not. Use `?role=member` to require a verified one.
    """
    described_only(role)


handlers = [forward_auth]
