"""Change or remove the username."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.profile.change_username import ChangeUsername
from application.profile.show_me import ShowMe
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import redirect
from entrypoints.http.request import AnyRequest, caller_of, client_info_of


@show("/account/profile", policy=signed_in(query=None))
async def profile(request: AnyRequest, show_me: NamedDependency[ShowMe]) -> Response[Any]:
    user = await show_me(caller_of(request))
    return framed(request, "account_profile.html", here="account", username=user.username or "")


@submit("/account/profile", policy=signed_in(query=None, budget=Limit.RENAME, fresh=Fresh.NOT_NEEDED))
async def save_profile(request: AnyRequest, change_username: NamedDependency[ChangeUsername]) -> Response[Any]:
    form = await request.form()
    username = str(form.get("username") or "").strip()
    try:
        await change_username(caller_of(request), username=username or None, client_info=client_info_of(request))
    except Refusal as refusal:
        return framed(request, "account_profile.html", here="account", refusal=refusal, username=username)
    return redirect(request, "account?done=profile")


handlers = [profile, save_profile]
