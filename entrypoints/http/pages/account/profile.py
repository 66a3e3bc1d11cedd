"""Change the username and the language."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.profile.change_locale import ChangeLocale
from application.profile.change_username import ChangeUsername
from application.profile.show_me import ShowMe
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.identify import AccessChecks
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import redirect, translations_of
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of


@show("/account/profile", policy=signed_in(query=None))
async def profile(request: AnyRequest, show_me: NamedDependency[ShowMe]) -> Response[Any]:
    user = await show_me(caller_of(request))
    return _form(request, username=user.username or "", locale=user.locale or "")


@submit("/account/profile", policy=signed_in(query=None, budget=Limit.RENAME, fresh=Fresh.NOT_NEEDED))
async def save_profile(
    request: AnyRequest,
    change_username: NamedDependency[ChangeUsername],
    change_locale: NamedDependency[ChangeLocale],
) -> Response[Any]:
    """Keeps what the form does not name."""
    form = await request.form()
    username, locale = text_of(form, "username").strip(), text_of(form, "locale")
    response = redirect(request, "account?done=profile")
    try:
        change_locale.check(locale or None)  # before anything is stored
        if "username" in form:
            await change_username(caller_of(request), username=username or None, client_info=client_info_of(request))
        if "locale" in form:
            await change_locale(caller_of(request), locale=locale or None)
            response.cookies.append(AccessChecks.of(request.scope).cookies.with_language(locale))
    except Refusal as refusal:
        return _form(request, refusal=refusal, username=username, locale=locale)
    return response


def _form(request: AnyRequest, *, refusal: Refusal | None = None, username: str, locale: str) -> Response[Any]:
    """Each language is named in itself."""
    translations = translations_of(request)
    languages = [(tag, translations.of(tag).name) for tag in translations.languages]
    values = {"username": username, "locale": locale, "languages": languages}
    return framed(request, "account_profile.html", here="account", refusal=refusal, **values)


handlers = [profile, save_profile]
