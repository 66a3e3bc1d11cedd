"""Sign in with a password or a passkey, and sign out."""

from typing import Any
from urllib.parse import urlsplit

from litestar import Response
from litestar.di import NamedDependency

from application.profile.show_me import ShowMe
from application.sessions.issue_cookie import SignedIn
from application.sessions.login import Login
from application.sessions.login_with_passkey import LoginWithPasskey
from application.sessions.logout import Logout
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, public, signed_in
from entrypoints.http.identify import signed_in_caller
from entrypoints.http.pages.html import page
from entrypoints.http.pages.results import signed_out
from entrypoints.http.pages.second_factor import second_factor_page
from entrypoints.http.pages.signing_in import (
    DEAD_CHALLENGE,
    destination,
    finish,
    json_object,
    sign_in_form,
    start_again,
)
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of


@show("/sign-in", policy=public(query=None))
async def sign_in_page(request: AnyRequest, show_me: NamedDependency[ShowMe]) -> Response[Any]:
    """A signed-in person is never sent on without a click: a protected page that does not get the cookie would send
    the browser back here, again and again."""
    query = request.query_params
    return_to = text_of(query, "return_to")
    if not query.get("switch") and (caller := await signed_in_caller(request.scope)) is not None:
        user = await show_me(caller)
        target = destination(request, return_to)
        name = user.username or user.email
        host = urlsplit(target).netloc  # of a protected page
        return page(request, "continue.html", name=name, target=target, host=host, return_to=return_to)
    return sign_in_form(request, return_to=return_to, done=text_of(query, "done"))


@submit("/sign-in", policy=public(query=None, budget=Limit.LOGIN))
async def sign_in_by_password(
    request: AnyRequest, sign_in: NamedDependency[Login[SignedIn]], logout: NamedDependency[Logout]
) -> Response[Any]:
    form = await request.form()
    login, return_to = text_of(form, "login"), text_of(form, "return_to")
    try:
        signed = await sign_in(login=login, password=text_of(form, "password"), client_info=client_info_of(request))
    except Refusal as refusal:
        if refusal.code is ErrorCode.SECOND_FACTOR_REQUIRED:
            return second_factor_page(request, refusal, return_to=return_to)
        return sign_in_form(request, return_to=return_to, login=login, refusal=refusal)
    return await finish(request, signed, logout, return_to=return_to)


@submit("/sign-in/passkey", policy=public(query=None, budget=Limit.PASSKEY_LOGIN))
async def sign_in_by_passkey(
    request: AnyRequest,
    sign_in_with_passkey: NamedDependency[LoginWithPasskey[SignedIn]],
    logout: NamedDependency[Logout],
) -> Response[Any]:
    form = await request.form()
    return_to = text_of(form, "return_to")
    try:
        signed = await sign_in_with_passkey(
            challenge=text_of(form, "challenge"),
            credential=json_object(text_of(form, "credential")),
            client_info=client_info_of(request),
        )
    except Refusal as refusal:
        if refusal.code in DEAD_CHALLENGE:
            return start_again(request, refusal, return_to)
        return sign_in_form(request, return_to=return_to, refusal=refusal)
    return await finish(request, signed, logout, return_to=return_to)


@submit("/sign-out", policy=signed_in(query=None, budget=Limit.SESSION_END, fresh=Fresh.NOT_NEEDED, enrolling=True))
async def sign_out(request: AnyRequest, logout: NamedDependency[Logout]) -> Response[Any]:
    await logout(caller_of(request), client_info=client_info_of(request))
    return signed_out(request)


handlers = [sign_in_page, sign_in_by_password, sign_in_by_passkey, sign_out]
