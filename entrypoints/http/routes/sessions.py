"""Login, refresh, logout, and the caller's sessions."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.sessions.list_sessions import ListSessions
from application.sessions.login import Login
from application.sessions.logout import Logout
from application.sessions.logout_everywhere import LogoutEverywhere
from application.sessions.refresh import Refresh
from application.sessions.revoke_own_session import RevokeOwnSession
from domain.rate_limits import Limit
from domain.session import Session
from domain.tokens import TokenPair
from entrypoints.http.endpoint import delete, get, post
from entrypoints.http.fields import (
    IpAddress,
    Password,
    RefreshToken,
    SessionId,
    SessionIdInPath,
    Timestamp,
    UserAgent,
    documented,
)
from entrypoints.http.fields import Login as LoginName
from entrypoints.http.guard import Fresh, authenticated, public
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.schemas import TokenPairResponse


class LoginBody(Struct, frozen=True, forbid_unknown_fields=True):
    login: LoginName
    password: Password


class RefreshBody(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: RefreshToken


class SessionResponse(Struct, frozen=True, kw_only=True):
    """`last_used_at` is the time of the login or last refresh; other requests do not change it. `ip` and `user_agent`
    are those of the login."""

    id: SessionId
    created_at: Annotated[datetime, Timestamp]
    last_used_at: Annotated[datetime, Timestamp]
    user_agent: UserAgent
    ip: IpAddress
    current: Annotated[bool, documented("Whether it is the session of this request.", True)]

    @classmethod
    def of(cls, session: Session, *, current: UUID) -> "SessionResponse":
        return cls(
            id=session.id,
            created_at=session.created_at,
            last_used_at=session.rotated_at,
            user_agent=session.client_info.user_agent,
            ip=session.client_info.ip,
            current=session.id == current,
        )


class SessionList(Struct, frozen=True):
    items: list[SessionResponse]


@post(
    "/login",
    operation_id="logIn",
    summary="Log in",
    tag="Sessions",
    policy=public(budget=Limit.LOGIN),
    status_code=200,
    errors=["invalid_credentials", "second_factor_required", "account_disabled", "overloaded"],
)
async def log_in(
    data: JSONBody[LoginBody], request: AnyRequest, login: NamedDependency[Login[TokenPair]]
) -> TokenPairResponse:
    """Log in with an e-mail address or username, and a password. Starts a session."""
    return TokenPairResponse.of(
        await login(login=data.login, password=data.password, client_info=client_info_of(request))
    )


@post(
    "/refresh",
    operation_id="refresh",
    summary="Refresh the tokens",
    tag="Sessions",
    policy=public(budget=Limit.REFRESH),
    status_code=200,
    errors=["token_invalid", "token_expired", "refresh_reused", "session_ended"],
)
async def renew(
    data: JSONBody[RefreshBody], request: AnyRequest, refresh: NamedDependency[Refresh]
) -> TokenPairResponse:
    """Exchange a refresh token for new tokens. Repeating the request within ten seconds returns the same refresh
    token; reuse after that ends the session."""
    return TokenPairResponse.of(await refresh(refresh_token=data.refresh_token, client_info=client_info_of(request)))


@post(
    "/logout",
    operation_id="logOut",
    summary="Log out",
    tag="Sessions",
    policy=authenticated(budget=Limit.SESSION_END, fresh=Fresh.NOT_NEEDED, enrolling=True),
    status_code=204,
)
async def log_out(request: AnyRequest, logout: NamedDependency[Logout]) -> None:
    """End the current session. Its tokens stop working before the response is sent."""
    await logout(caller_of(request), client_info=client_info_of(request))


@post(
    "/logout/all",
    operation_id="logOutEverywhere",
    summary="Log out everywhere",
    tag="Sessions",
    policy=authenticated(budget=Limit.SESSION_END, fresh=Fresh.NOT_NEEDED),
    status_code=204,
)
async def log_out_everywhere(request: AnyRequest, logout_everywhere: NamedDependency[LogoutEverywhere]) -> None:
    """End all sessions of the caller."""
    await logout_everywhere(caller_of(request), client_info=client_info_of(request))


@get(
    "/sessions",
    operation_id="listSessions",
    summary="List your sessions",
    tag="Sessions",
    policy=authenticated(),
)
async def my_sessions(request: AnyRequest, list_sessions: NamedDependency[ListSessions]) -> SessionList:
    """The active sessions of the caller, newest first. `last_used_at` is the time of the login or last refresh."""
    sessions = await list_sessions(caller_of(request))
    return SessionList([SessionResponse.of(session, current=caller_of(request).session_id) for session in sessions])


@delete(
    "/sessions/{session_id:uuid}",
    operation_id="endSession",
    summary="End one of your sessions",
    tag="Sessions",
    policy=authenticated(budget=Limit.SESSION_END, fresh=Fresh.NOT_NEEDED),
    errors=["not_found"],
)
async def end_my_session(
    session_id: SessionIdInPath, request: AnyRequest, revoke_own_session: NamedDependency[RevokeOwnSession]
) -> None:
    """End one session of the caller. Its tokens stop working before the response is sent."""
    await revoke_own_session(caller_of(request), session_id, client_info=client_info_of(request))


handlers = [log_in, renew, log_out, log_out_everywhere, my_sessions, end_my_session]
