"""Ask for another e-mail address. It changes when its owner follows the mailed link."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.profile.change_email import ChangeEmail
from application.profile.show_me import ShowMe
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import redirect
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of


@show("/account/email", policy=signed_in(query=None, fresh=Fresh.WITH_FACTOR))
async def address(request: AnyRequest, show_me: NamedDependency[ShowMe]) -> Response[Any]:
    return await _form(request, show_me)


@submit("/account/email", policy=signed_in(query=None, budget=Limit.EMAIL_CHANGE, fresh=Fresh.WITH_FACTOR))
async def change_address(
    request: AnyRequest, change_email: NamedDependency[ChangeEmail], show_me: NamedDependency[ShowMe]
) -> Response[Any]:
    form = await request.form()
    new_email, password = text_of(form, "new_email"), text_of(form, "password")
    try:
        await change_email(
            caller_of(request), new_email=new_email, password=password, client_info=client_info_of(request)
        )
    except Refusal as refusal:
        return await _form(request, show_me, refusal=refusal, new_email=new_email)
    return redirect(request, "account?done=email_asked")


async def _form(
    request: AnyRequest, show_me: ShowMe, *, refusal: Refusal | None = None, new_email: str = ""
) -> Response[Any]:
    user = await show_me(caller_of(request))
    return framed(
        request, "account_email.html", here="account", refusal=refusal, email=user.email, new_email=new_email
    )


handlers = [address, change_address]
