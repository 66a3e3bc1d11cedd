"""Where the account is signed in: list the sessions, end one, end all others."""

from typing import Any
from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency

from application.sessions.list_sessions import ListSessions
from application.sessions.logout_everywhere import LogoutEverywhere
from application.sessions.revoke_own_session import RevokeOwnSession
from domain.rate_limits import Limit
from domain.refusals import Refusal, session_not_found
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import redirect
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of

_WRITE = signed_in(query=None, budget=Limit.SESSION_END, fresh=Fresh.NOT_NEEDED)


@show("/account/sessions", policy=signed_in(query=None))
async def devices(request: AnyRequest, list_sessions: NamedDependency[ListSessions]) -> Response[Any]:
    return await _list(request, list_sessions)


@submit("/account/sessions", policy=_WRITE)
async def end_one(
    request: AnyRequest,
    revoke_own_session: NamedDependency[RevokeOwnSession],
    list_sessions: NamedDependency[ListSessions],
) -> Response[Any]:
    form = await request.form()
    try:
        session_id = _id(text_of(form, "session_id"))
        await revoke_own_session(caller_of(request), session_id, client_info=client_info_of(request))
    except Refusal as refusal:
        return await _list(request, list_sessions, refusal=refusal)
    return redirect(request, "account/sessions?done=session_ended")


@show("/account/sessions/end-all", policy=signed_in(query=None))
async def ask_to_end_others(request: AnyRequest, list_sessions: NamedDependency[ListSessions]) -> Response[Any]:
    return await _list(request, list_sessions, template="account_sessions_end.html")


@submit("/account/sessions/end-all", policy=_WRITE)
async def end_others(request: AnyRequest, logout_everywhere: NamedDependency[LogoutEverywhere]) -> Response[Any]:
    await logout_everywhere(caller_of(request), keep_current=True, client_info=client_info_of(request))
    return redirect(request, "account/sessions?done=sessions_ended")


async def _list(
    request: AnyRequest,
    list_sessions: ListSessions,
    *,
    template: str = "account_sessions.html",
    refusal: Refusal | None = None,
) -> Response[Any]:
    """The session of this browser comes first."""
    current = caller_of(request).session_id
    sessions = sorted(await list_sessions(caller_of(request)), key=lambda session: session.id != current)
    return framed(request, template, here="sessions", refusal=refusal, sessions=sessions, current=current)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise session_not_found() from None


handlers = [devices, end_one, ask_to_end_others, end_others]
