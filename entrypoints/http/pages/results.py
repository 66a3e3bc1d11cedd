"""What a page says when something is done or refused: each result has one next step."""

from dataclasses import dataclass
from typing import Any

from litestar import Response

from domain.messages import translatable
from domain.refusals import ErrorCode, Refusal
from entrypoints.http import problems
from entrypoints.http.identify import AccessChecks
from entrypoints.http.pages.explain import explain, title
from entrypoints.http.pages.html import page, redirect, texts_of
from entrypoints.http.pages.retries import format_wait, retry_url
from entrypoints.http.problem_types import CATALOGUE
from entrypoints.http.request import AnyRequest


@dataclass(frozen=True, slots=True)
class Ask:
    """A form that asks for an address, which is answered alike for every address."""

    heading: str
    text: str
    sent: str


_DEAD = {
    ErrorCode.LINK_INVALID: (
        translatable("This link is not valid"),
        translatable("It may have been used already, or a newer link has replaced it."),
    ),
    ErrorCode.LINK_EXPIRED: (
        translatable("This link has expired"),
        translatable("Links in emails work for a limited time only."),
    ),
}
_ADVICE = {
    "email": translatable("Sign in to check the e-mail address of your account, and change it there if needed."),
    "invitation": translatable(
        "If you have an account, sign in. Otherwise ask the person who invited you for a new link."
    ),
}
ASK = {
    "verify": Ask(
        translatable("Verify your e-mail address"),
        translatable("Enter your e-mail address, and we will send you a new link."),
        translatable("If this address is waiting to be verified, a link is on its way. It works for 24 hours."),
    ),
    "reset": Ask(
        translatable("Forgot your password?"),
        translatable("Enter your e-mail address, and we will send you a link to choose a new password."),
        translatable("If there is an account with this address, a link is on its way. It works for 30 minutes."),
    ),
}


def ask(
    request: AnyRequest, path: str, *, status: int = 200, refusal: Refusal | None = None, **values: str
) -> Response[str]:
    form, texts = ASK[path], texts_of(request)
    shown = {"path": path, "heading": texts.gettext(form.heading), "text": texts.gettext(form.text), "email": ""}
    shown |= values
    if refusal is not None:
        return form_again(request, refusal, "ask.html", **shown)
    return page(request, "ask.html", status=status, error="", **shown)


def done(request: AnyRequest, heading: str, text: str) -> Response[str]:
    """The person goes on to the product, or signs in. `heading` and `text` are translatable."""
    texts = texts_of(request)
    return page(
        request, "message.html", heading=texts.gettext(heading), text=texts.gettext(text), retry="", onward=True
    )


def mailed(request: AnyRequest, text: str) -> Response[str]:
    """The person goes on in the mailbox. `text` is translatable."""
    texts = texts_of(request)
    heading = texts.gettext(translatable("Check your mailbox"))
    return page(request, "message.html", heading=heading, text=texts.gettext(text), retry="", onward=False)


def refused(request: AnyRequest, refusal: Refusal, *, token: str = "", seen: bool = False) -> Response[str]:
    """The reason and one next step. With `seen`, the link was only opened, so a dead one is not a refusal."""
    known = CATALOGUE[refusal.code]
    if not seen:
        request.scope["state"]["refusal"] = refusal.code  # for the access log and metrics
    if refusal.code in _DEAD:
        return dead_link(request, refusal.code, status=200 if seen else known.status)
    wait = problems.retry_after(refusal)
    shown = page(
        request,
        "message.html",
        status=known.status,
        heading=title(request, refusal.code),
        text=_text(request, refusal, wait),
        retry="" if wait is None else retry_url(request, token),
        onward=False,
    )
    return _with_wait(shown, wait)


def form_again(request: AnyRequest, refusal: Refusal, template: str, **values: Any) -> Response[str]:
    """The form that was refused, with the template's `error` and `field` (empty if the refusal names none)."""
    request.scope["state"]["refusal"] = refusal.code
    known, wait = CATALOGUE[refusal.code], problems.retry_after(refusal)
    error = _text(request, refusal, wait)
    shown = page(request, template, status=known.status, error=error, field=refusal.field or "", **values)
    return _with_wait(shown, wait)


def _text(request: AnyRequest, refusal: Refusal, wait: int | None) -> str:
    """The reason, and after how many seconds to try again."""
    texts, text = texts_of(request), explain(request, refusal)
    if wait is None:
        return text
    again = texts.gettext("Try again in %(wait)s.") % {"wait": format_wait(wait, texts)}
    later = texts.gettext("Try again later.")  # not within the f-string: Babel does not extract texts from there
    return f"{text.removesuffix(later).rstrip()} {again}"


def _with_wait(shown: Response[str], wait: int | None) -> Response[str]:
    if wait is not None:
        shown.headers["Retry-After"] = str(wait)
    return shown


def dead_link(request: AnyRequest, code: ErrorCode, *, status: int) -> Response[str]:
    texts = texts_of(request)
    heading, text = map(texts.gettext, _DEAD[code])
    if form := ASK.get(_path(request)):
        return ask(request, _path(request), status=status, heading=heading, text=f"{text} {texts.gettext(form.text)}")
    text = f"{text} {texts.gettext(_ADVICE.get(_path(request), _ADVICE['email']))}"
    return page(request, "message.html", status=status, heading=heading, text=text, retry="", onward=False)


def _path(request: AnyRequest) -> str:
    return str(request.scope["path"]).strip("/")


def signed_out(request: AnyRequest) -> Response[Any]:
    return without_cookies(request, redirect(request, "sign-in?done=signed_out"))


def without_cookies(request: AnyRequest, response: Response[Any]) -> Response[Any]:
    """The browser deletes the cookies of a session that has ended."""
    response.cookies.extend(AccessChecks.of(request.scope).cookies.cleared())
    response.headers["Clear-Site-Data"] = '"cookies"'
    return response
