"""Forward auth: a proxy asks who is calling, for each request that it passes on."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Self, TypeVar
from uuid import UUID

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter
from litestar.types import HTTPScope

from domain.authentication import AssuranceLevel, Authentication
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken
from entrypoints.http.endpoint import Headers, described_only, get
from entrypoints.http.guard import AccessPolicy
from entrypoints.http.identify import SIGN_IN_AGAIN, AccessChecks, Credential
from entrypoints.http.return_to import ReturnTo
from entrypoints.http.validation import problem_of, refusal_of, rule_for

Choice = TypeVar("Choice", bound=StrEnum)

_DESCRIPTIONS = {
    "X-Auth-User": ("The caller's id.", "0199a3c4-7d1e-7c3a-9b52-5f0e8a7d6c41"),
    "X-Auth-Role": ("The caller's role; worth nothing unless X-Auth-Verified is true.", "member"),
    "X-Auth-Session": ("The id of the caller's session.", "0199a3c4-8f20-7a11-8d07-1c9be2a45f33"),
    "X-Auth-Verified": ("`true` or `false`: whether the caller has verified their e-mail address.", "true"),
    "X-Auth-Acr": ("How strongly the caller authenticated: `aal1`, `aal2` or `phr`.", "aal2"),
    "X-Auth-Time": ("When the caller authenticated, in seconds since 1970.", "1796040000"),
}
"""Each with an example."""
_NAMES = [name.lower().encode() for name in _DESCRIPTIONS]
_CAN_CONFIRM = "can_confirm"
"""In the state of a request: the caller lacks nothing but a step-up."""
_SECONDS = re.compile(r"[0-9]{1,9}")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


async def _identify(scope: HTTPScope, caller: AccessToken) -> tuple[Headers, bytes]:
    if scope["query_string"]:
        required = _Required.of(scope)
        checks = AccessChecks.of(scope)
        if required.role is not None:
            caller = await checks.authenticate.insist(caller, required.role)
        try:
            caller.require_authentication(level=required.level, max_age=required.max_age, now=checks.clock())
        except Refusal:
            scope["state"][_CAN_CONFIRM] = await checks.require_fresh.can_reach(caller, required.level)
            raise
    return [
        _TEXT,
        *_headers(caller.user_id, caller.session_id, caller.role, caller.verified, caller.authentication),
    ], b""


def _page_for(scope: HTTPScope, refusal: Refusal) -> str | None:
    """A person goes to the page where the refusal can be overcome, and returns from there."""
    return_to: ReturnTo = scope["litestar_app"].state.return_to
    if refusal.code in SIGN_IN_AGAIN:
        return return_to.page_for(scope, "/sign-in")
    if refusal.code is ErrorCode.FACTOR_REQUIRED:
        return return_to.page_for(scope, "/account/factors")
    page = return_to.page_for(scope, "/confirm") if scope["state"].get(_CAN_CONFIRM) else None
    level = refusal.extensions.get("acr_values")
    return f"{page}&acr={level}" if page and level else page


@dataclass(frozen=True, slots=True)
class _Required:
    """What the query requires of the caller."""

    role: Role | None
    level: AssuranceLevel | None
    max_age: timedelta | None

    @classmethod
    def of(cls, scope: HTTPScope) -> Self:
        """Raises `malformed`."""
        query = Request(scope).query_params
        seconds = query.get("max_age")
        if seconds is not None and not _SECONDS.fullmatch(seconds):
            raise refusal_of([problem_of("max_age", "must be a whole number of seconds")])
        return cls(
            role=_choice(Role, "role", query.get("role")),
            level=_choice(AssuranceLevel, "acr", query.get("acr")),
            max_age=None if seconds is None else timedelta(seconds=int(seconds)),
        )


def _choice(kind: type[Choice], name: str, value: str | None) -> Choice | None:
    try:
        return None if value is None else msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise refusal_of([problem_of(name, rule_for(str(error), kind))]) from None


@lru_cache(1024)
def _headers(user_id: UUID, session_id: UUID, role: Role, verified: bool, authentication: Authentication) -> Headers:
    values = (
        *(str(user_id), role.value, str(session_id), "true" if verified else "false"),
        *(authentication.level.value, str(int(authentication.at.timestamp()))),
    )
    return [(name, value.encode()) for name, value in zip(_NAMES, values, strict=True)]


@get(
    "/forward-auth",
    operation_id="forwardAuth",
    summary="Authorize a request for a proxy",
    tag="Services",
    policy=AccessPolicy(caller=True, query={"role", "acr", "max_age"}, credential=Credential.TOKEN_OR_COOKIE),
    plain=_identify,
    plain_refusal=_page_for,
    answers_options=False,
    errors=["not_verified", "role_required", "step_up_required"],
    media_type=MediaType.TEXT,
    responses={
        302: ResponseSpec(
            data_container=None,
            description="Instead of a refusal, for a browser that asked for a page of a protected origin: to the page"
            " where the person signs in or confirms their identity, and from there back.",
        )
    },
    response_headers=[
        ResponseHeader(name=name, description=text, example=example, documentation_only=True)
        for name, (text, example) in _DESCRIPTIONS.items()
    ],
)
async def forward_auth(
    role: FromQuery[Role | None] = None,
    acr: FromQuery[AssuranceLevel | None] = None,
    max_age: Annotated[
        int | None, QueryParameter(ge=0, description="Seconds since the caller authenticated.")
    ] = None,
) -> Response[str]:
    """Authenticate a request for a proxy in front of another service. The response has no body.

    Without `role` every authenticated user passes, verified or not. Use `?role=member` to require a verified one.
    `?acr=aal2&max_age=300` also requires an authentication of that level and age; the caller gets it by a step-up.
    """
    described_only(role, acr, max_age)


handlers = [forward_auth]
