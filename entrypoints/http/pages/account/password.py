"""Change the password. All sessions end, and this browser gets the cookie of a new one."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.credentials.change_password import ChangePassword
from application.profile.show_me import ShowMe
from application.sessions.issue_cookie import SignedIn
from domain.password import PasswordPolicy
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.identify import AccessChecks
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import redirect
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of


@show("/account/password", policy=signed_in(query=None, fresh=Fresh.WITH_FACTOR))
async def password(
    request: AnyRequest, show_me: NamedDependency[ShowMe], policy: NamedDependency[PasswordPolicy]
) -> Response[Any]:
    return await _form(request, show_me, policy)


@submit("/account/password", policy=signed_in(query=None, budget=Limit.PASSWORD_CHANGE, fresh=Fresh.WITH_FACTOR))
async def change_password(
    request: AnyRequest,
    change_password_in_browser: NamedDependency[ChangePassword[SignedIn]],
    show_me: NamedDependency[ShowMe],
    policy: NamedDependency[PasswordPolicy],
) -> Response[Any]:
    form = await request.form()
    names = ("current_password", "new_password", "confirm_password")
    passwords = {name: text_of(form, name) for name in names}
    try:
        signed = await change_password_in_browser(
            caller_of(request), **passwords, client_info=client_info_of(request)
        )
    except Refusal as refusal:
        return await _form(request, show_me, policy, refusal=refusal)
    response = redirect(request, "account?done=password")
    cookies = AccessChecks.of(request.scope).cookies
    response.cookies.append(cookies.with_session(signed.cookie, max_age=signed.max_age))
    return response


async def _form(
    request: AnyRequest, show_me: ShowMe, policy: PasswordPolicy, *, refusal: Refusal | None = None
) -> Response[Any]:
    """With the address, because password managers save the password under it."""
    user = await show_me(caller_of(request))
    lengths = {"min_length": policy.min_length, "max_length": policy.max_length}
    return framed(request, "account_password.html", here="account", refusal=refusal, email=user.email, **lengths)


handlers = [password, change_password]
