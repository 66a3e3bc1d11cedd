"""What the pages of a sign-in share: the form, the fields of factors, and the end."""

import json
from typing import Any
from urllib.parse import urlencode

from litestar import Response
from litestar.datastructures import FormMultiDict

from application.factors.check_factor import PresentedFactor
from application.factors.ports import Json
from application.sessions.issue_cookie import SignedIn
from application.sessions.logout import Logout
from domain.messages import translatable
from domain.refusals import ErrorCode, Refusal
from entrypoints.http.identify import AccessChecks, signed_in_caller
from entrypoints.http.pages.html import go_on, page, redirect, texts_of
from entrypoints.http.pages.results import form_again
from entrypoints.http.request import AnyRequest, client_info_of, text_of
from entrypoints.http.return_to import ReturnTo

NOTICES = {
    "signed_out": translatable("You are signed out."),
    "no_cookie": translatable(
        "Your browser did not keep the cookie of your session. Allow cookies for this site, then sign in again."
    ),
    "expired": translatable("That took too long, or was tried too often. Please sign in again."),
}
"""What the form says first, by the code in `?done=`."""

DEAD_CHALLENGE = frozenset({ErrorCode.CHALLENGE_INVALID, ErrorCode.CHALLENGE_EXPIRED})
"""Refusals after which a challenge takes no further answer."""


def destination(request: AnyRequest, return_to: str) -> str:
    """Where a sign-in leads: the page that `return_to` names if it may, else the account."""
    known: ReturnTo = request.app.state.return_to
    return known.accept(return_to) or "/account"


def outside(target: str) -> str | None:
    """The target if it is on another origin."""
    return None if target.startswith("/") else target


def sign_in_form(
    request: AnyRequest, *, return_to: str, login: str = "", done: str = "", refusal: Refusal | None = None
) -> Response[str]:
    message = NOTICES.get(done)
    shown: dict[str, Any] = {
        "login": login,
        "return_to": return_to,
        "notice": "" if message is None else texts_of(request).gettext(message),
        "leads_to": outside(destination(request, return_to)),
    }
    if refusal is not None:
        return form_again(request, refusal, "sign_in.html", **shown)
    return page(request, "sign_in.html", error="", field="", **shown)


def start_again(request: AnyRequest, refusal: Refusal, return_to: str) -> Response[Any]:
    """After a challenge that has expired or was used."""
    request.scope["state"]["refusal"] = refusal.code
    return redirect(request, sign_in_path(return_to, done="expired"))


def sign_in_path(return_to: str, **more: str) -> str:
    values = more | ({"return_to": return_to} if return_to else {})
    return f"sign-in?{urlencode(values)}" if values else "sign-in"


def presented_factor(form: FormMultiDict) -> tuple[str, PresentedFactor]:
    """The name of the field that was filled in, and the factor. Raises `malformed`."""
    totp, recovery_code, credential = (text_of(form, name) for name in ("totp", "recovery_code", "credential"))
    passkey = json_object(credential) if credential else None
    factor = PresentedFactor.of(totp=totp or None, recovery_code=recovery_code or None, passkey=passkey)
    return "totp" if totp else "recovery_code" if recovery_code else "passkey", factor


def json_object(text: str) -> Json:
    """Raises `malformed`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refusal(ErrorCode.MALFORMED, "This is not the answer of a passkey.")
    return value


async def finish(request: AnyRequest, signed: SignedIn, logout: Logout, *, return_to: str) -> Response[Any]:
    """Set the cookie, end the session of the cookie that it replaces, and go on."""
    if (former := await signed_in_caller(request.scope)) is not None:
        await logout(former, client_info=client_info_of(request))
    response = go_on(request, destination(request, return_to))
    cookies = AccessChecks.of(request.scope).cookies
    response.cookies.append(cookies.with_session(signed.cookie, max_age=signed.max_age))
    if signed.locale is not None or cookies.language_of(request.scope):  # that may be of another person
        response.cookies.append(cookies.with_language(signed.locale or ""))
    return response
