"""Create an account, if registration is open."""

from collections.abc import Mapping
from typing import Any

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from application.registration.register import Register
from domain.messages import translatable
from domain.password import PasswordPolicy
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import public
from entrypoints.http.pages.explain import field_errors
from entrypoints.http.pages.html import page
from entrypoints.http.pages.results import form_again, mailed
from entrypoints.http.request import AnyRequest, client_info_of, text_of
from entrypoints.settings import Settings


@show("/register", policy=public(query=None))
async def register_page(
    request: AnyRequest,
    policy: NamedDependency[PasswordPolicy],
    settings: NamedDependency[SkipValidation[Settings]],
) -> Response[str]:
    try:
        settings.registration.require_registration()
    except Refusal:
        return page(request, "registration_closed.html")
    return page(request, "register.html", error="", field="", **_shown(policy))


@submit("/register", policy=public(query=None, budget=Limit.REGISTER))
async def register_by_form(
    request: AnyRequest, register: NamedDependency[Register], policy: NamedDependency[PasswordPolicy]
) -> Response[str]:
    form = await request.form()
    email, username = text_of(form, "email"), text_of(form, "username")
    try:
        await register(
            email=email,
            password=text_of(form, "password"),
            username=username or None,
            client_info=client_info_of(request),
        )
    except Refusal as refusal:
        if refusal.code is ErrorCode.REGISTRATION_CLOSED:
            return form_again(request, refusal, "registration_closed.html")
        shown = _shown(policy, email=email, username=username, errors=field_errors(request, refusal))
        return form_again(request, refusal, "register.html", **shown)
    text = translatable("We have sent you a link. Open it to verify your e-mail address. It works for 24 hours.")
    return mailed(request, text)


def _shown(
    policy: PasswordPolicy, *, email: str = "", username: str = "", errors: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "email": email,
        "username": username,
        "errors": errors or {},
        "min_length": policy.min_length,
        "max_length": policy.max_length,
    }


handlers = [register_page, register_by_form]
