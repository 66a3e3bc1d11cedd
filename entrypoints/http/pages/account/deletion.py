"""Delete the account; requires the password."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.profile.delete_me import DeleteMe
from application.profile.show_me import ShowMe
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import page
from entrypoints.http.pages.results import without_cookies
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of


@show("/account/delete", policy=signed_in(query=None, fresh=Fresh.WITH_FACTOR))
async def ask_to_delete(request: AnyRequest, show_me: NamedDependency[ShowMe]) -> Response[Any]:
    user = await show_me(caller_of(request))
    return framed(request, "account_delete.html", here="account", user=user)


@submit("/account/delete", policy=signed_in(query=None, budget=Limit.DELETION, fresh=Fresh.WITH_FACTOR))
async def delete_by_button(
    request: AnyRequest, delete_me: NamedDependency[DeleteMe], show_me: NamedDependency[ShowMe]
) -> Response[Any]:
    form = await request.form()
    user = await show_me(caller_of(request))
    try:
        await delete_me(caller_of(request), password=text_of(form, "password"), client_info=client_info_of(request))
    except Refusal as refusal:
        return framed(request, "account_delete.html", here="account", refusal=refusal, user=user)
    return without_cookies(request, page(request, "account_deleted.html", verified=user.verified))


handlers = [ask_to_delete, delete_by_button]
