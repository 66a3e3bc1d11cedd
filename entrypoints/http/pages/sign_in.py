"""Sign in with a password, and sign out."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.sessions.issue_cookie import SignedIn
from application.sessions.login import Login
from application.sessions.logout import Logout
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, public, signed_in
from entrypoints.http.identify import AccessChecks, signed_in_caller
from entrypoints.http.pages.html import go_on, page, redirect
from entrypoints.http.pages.results import form_again
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.return_to import ReturnTo


@show("/sign-in", policy=public(query=None))
async def sign_in_page(request: AnyRequest) -> Response[Any]:
    query = request.query_params
    return_to, done = query.get("return_to") or "", query.get("done") or ""
    return page(request, "sign_in.html", login="", return_to=return_to, error="", field="", done=done)


@submit("/sign-in", policy=public(query=None, budget=Limit.LOGIN))
async def sign_in_by_password(
    request: AnyRequest, sign_in: NamedDependency[Login[SignedIn]], logout: NamedDependency[Logout]
) -> Response[Any]:
    form = await request.form()
    login, return_to = str(form.get("login") or ""), str(form.get("return_to") or "")
    try:
        signed = await sign_in(
            login=login, password=str(form.get("password") or ""), client_info=client_info_of(request)
        )
    except Refusal as refusal:
        return form_again(request, refusal, "sign_in.html", login=login, return_to=return_to, done="")
    return await finish(request, signed, logout, return_to=return_to)


@submit("/sign-out", policy=signed_in(query=None, budget=Limit.SESSION_END, fresh=Fresh.NOT_NEEDED, enrolling=True))
async def sign_out(request: AnyRequest, logout: NamedDependency[Logout]) -> Response[Any]:
    await logout(caller_of(request), client_info=client_info_of(request))
    response = redirect(request, "sign-in?done=signed_out")
    response.cookies.extend(AccessChecks.of(request.scope).cookies.cleared())
    response.headers["Clear-Site-Data"] = '"cookies"'
    return response


async def finish(request: AnyRequest, signed: SignedIn, logout: Logout, *, return_to: str) -> Response[Any]:
    """Set the cookie, end the session of the cookie that it replaces, and go on."""
    if (former := await signed_in_caller(request.scope)) is not None:
        await logout(former, client_info=client_info_of(request))
    known: ReturnTo = request.app.state.return_to
    response = go_on(request, known.accept(return_to) or "/account")
    cookies = AccessChecks.of(request.scope).cookies
    response.cookies.append(cookies.with_session(signed.cookie, max_age=signed.max_age))
    if signed.locale is not None:
        response.cookies.append(cookies.with_language(signed.locale))
    return response


handlers = [sign_in_page, sign_in_by_password, sign_out]
