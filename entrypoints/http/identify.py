"""Identifies the caller of a request, by an access token or by the cookie of a browser session."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from uuid import UUID

from litestar.types import HTTPScope, Scope

from application.clients.authenticate_client import AuthenticateClient
from application.factors.require_fresh import RequireFresh
from application.ports import Clock, RateLimiter
from application.sessions.authenticate import Authenticate
from application.sessions.authenticate_cookie import AuthenticateCookie
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken
from entrypoints.http.cookies import Cookies
from entrypoints.http.credentials import bearer_token

_DEAD = frozenset({ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_EXPIRED, ErrorCode.TOKEN_REVOKED})
SIGN_IN_AGAIN = _DEAD | {ErrorCode.TOKEN_MISSING}
"""Refusals that a person overcomes by signing in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChecks:
    """What access policies need from the application. `set_user` sets the user of this task's request for
    adapters."""

    authenticate: Authenticate
    authenticate_cookie: AuthenticateCookie
    cookies: Cookies
    authenticate_client: AuthenticateClient
    require_fresh: RequireFresh
    rate_limiter: RateLimiter
    clock: Clock
    set_user: Callable[[UUID], None]

    @classmethod
    def of(cls, scope: Scope) -> "AccessChecks":
        checks: AccessChecks = scope["litestar_app"].state.access_checks
        return checks


class Credential(Enum):
    """With what a caller authenticates."""

    TOKEN = auto()
    COOKIE = auto()
    """Of a browser session."""
    TOKEN_OR_COOKIE = auto()
    """The cookie counts only in requests without an Authorization header."""


async def identify(
    checks: AccessChecks, scope: HTTPScope, credential: Credential, *, role: Role | None, enrolling: bool
) -> AccessToken:
    """Raises the refusals of `Authenticate`, and `token_missing`."""
    if credential is Credential.TOKEN or (credential is Credential.TOKEN_OR_COOKIE and _sends_token(scope)):
        return await checks.authenticate(bearer_token(scope), role=role, enrolling=enrolling)
    cookie = checks.cookies.session_of(scope)
    if cookie is None:
        raise Refusal(ErrorCode.TOKEN_MISSING, "Sign in first, or send an access token.")
    caller = await checks.authenticate_cookie(cookie, role=role, enrolling=enrolling)
    step_up = checks.cookies.step_up_of(scope)
    return caller if step_up is None else await _stepped_up(checks, caller, step_up)


def _sends_token(scope: HTTPScope) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])


async def signed_in_caller(scope: HTTPScope) -> AccessToken | None:
    """The caller of a page that is shown to everybody; None without a live browser session."""
    checks = AccessChecks.of(scope)
    if checks.cookies.session_of(scope) is None:
        return None
    try:
        return await identify(checks, scope, Credential.COOKIE, role=None, enrolling=True)
    except Refusal as refusal:
        if refusal.code not in _DEAD:
            raise
        return None


async def _stepped_up(checks: AccessChecks, caller: AccessToken, step_up: str) -> AccessToken:
    """The caller with the authentication of a step-up of the same session, as long as that is valid."""
    try:
        token = await checks.authenticate(step_up, enrolling=True)
    except Refusal as refusal:
        if refusal.code not in _DEAD:
            raise
        return caller
    return replace(caller, authentication=token.authentication) if token.session_id == caller.session_id else caller
