"""Logging in, staying logged in, logging out."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.login import Login
from application.logout import Logout, LogoutEverywhere
from application.refresh import Refresh
from domain.origin import Origin
from domain.token import AccessToken
from entrypoints.http.guard import anybody, signed_in
from entrypoints.http.problems import refusals
from entrypoints.http.shapes import TokenPairShape


class LoginBody(Struct, frozen=True, forbid_unknown_fields=True):
    login: str
    password: str


class RefreshBody(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: str


@post(
    "/login",
    guards=anybody(),
    status_code=200,
    responses=refusals("invalid_credentials", "account_disabled", "overloaded"),
)
async def log_in(
    data: JSONBody[LoginBody], origin: NamedDependency[Origin], login: NamedDependency[Login]
) -> TokenPairShape:
    """Open a session with an address or a username and a password."""
    return TokenPairShape.of(await login(login=data.login, password=data.password, origin=origin))


@post(
    "/refresh",
    guards=anybody(),
    status_code=200,
    responses=refusals("token_invalid", "token_expired", "refresh_reused", "session_ended"),
)
async def renew(
    data: JSONBody[RefreshBody], origin: NamedDependency[Origin], refresh: NamedDependency[Refresh]
) -> TokenPairShape:
    """Renew a session. For ten seconds the same token brings the same successor; later it ends the session."""
    return TokenPairShape.of(await refresh(refresh_token=data.refresh_token, origin=origin))


@post("/logout", guards=signed_in(), status_code=204, responses=refusals("token_missing", "token_revoked"))
async def log_out(
    caller: NamedDependency[AccessToken], origin: NamedDependency[Origin], logout: NamedDependency[Logout]
) -> None:
    """End the session that calls. When the answer comes, no process accepts its tokens."""
    await logout(caller, origin=origin)


@post("/logout/all", guards=signed_in(), status_code=204, responses=refusals("token_missing", "token_revoked"))
async def log_out_everywhere(
    caller: NamedDependency[AccessToken],
    origin: NamedDependency[Origin],
    logout_everywhere: NamedDependency[LogoutEverywhere],
) -> None:
    """End every session of the caller."""
    await logout_everywhere(caller, origin=origin)


handlers = [log_in, renew, log_out, log_out_everywhere]
