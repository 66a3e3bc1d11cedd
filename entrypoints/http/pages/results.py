"""What a page says when something is done or refused: each result has one next step."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap, HTTPScope, Receive, Send

from domain.messages import translatable
from domain.refusals import ErrorCode, Refusal
from entrypoints.http import error_handlers, problems
from entrypoints.http.endpoint import PAGE
from entrypoints.http.identify import SIGN_IN_AGAIN, AccessChecks
from entrypoints.http.pages.explain import explain, explain_problem, title
from entrypoints.http.pages.html import page, redirect, texts_of
from entrypoints.http.pages.retries import SIGN_IN_FORMS, SIGN_OUT, format_wait, query_of, retry_url
from entrypoints.http.problem_types import CATALOGUE
from entrypoints.http.problems import Problem
from entrypoints.http.request import AnyRequest, StrictRequest
from entrypoints.http.return_to import ReturnTo


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
    """Why not, and one step from here. A dead link that is only `seen` is no refusal: nothing was asked for."""
    known = CATALOGUE[refusal.code]
    if not seen:
        request.scope["state"]["refusal"] = refusal.code  # for the access log and metrics
    if refusal.code in _DEAD:
        return dead_link(request, refusal.code, status=200 if seen else known.status)
    wait = problems.retry_after(refusal)
    texts, text, retry = texts_of(request), explain(request, refusal), ""
    if wait is not None:
        later = texts.gettext("Try again later.")
        again = texts.gettext("Try again in %(wait)s.") % {"wait": format_wait(wait, texts)}
        text = f"{text.removesuffix(later).rstrip()} {again}"
        retry = retry_url(request, token)
    shown = page(
        request,
        "message.html",
        status=known.status,
        heading=title(request, refusal.code),
        text=text,
        retry=retry,
        onward=False,
    )
    if wait is not None:
        shown.headers["Retry-After"] = str(wait)
    return shown


def form_again(request: AnyRequest, refusal: Refusal, template: str, **values: Any) -> Response[str]:
    """The form that was refused, with the template's `error` and `field` (empty if the refusal names none)."""
    request.scope["state"]["refusal"] = refusal.code
    known = CATALOGUE[refusal.code]
    error = explain(request, refusal)
    shown = page(request, template, status=known.status, error=error, field=refusal.field or "", **values)
    if (wait := problems.retry_after(refusal)) is not None:
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


def _wants_page(request: AnyRequest) -> bool:
    """Whether a person asks, in a browser; never of the API."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/v1/")


def _refuse(request: AnyRequest, refusal: Refusal) -> Response[Any]:
    if (elsewhere := _way_on(request, refusal)) is not None:
        return elsewhere
    return refused(request, refusal) if _wants_page(request) else problems.refusal_response(request, refusal)


def signed_out(request: AnyRequest) -> Response[Any]:
    return without_cookies(request, redirect(request, "sign-in?done=signed_out"))


def without_cookies(request: AnyRequest, response: Response[Any]) -> Response[Any]:
    """The browser deletes the cookies of a session that has ended."""
    response.cookies.extend(AccessChecks.of(request.scope).cookies.cleared())
    response.headers["Clear-Site-Data"] = '"cookies"'
    return response


_WAYS_ON = {
    **dict.fromkeys(SIGN_IN_AGAIN, "sign-in"),
    ErrorCode.STEP_UP_REQUIRED: "confirm",
    ErrorCode.FACTOR_REQUIRED: "account/factors",
}
"""The pages where a signed-in person's refusal can be overcome."""


def _way_on(request: AnyRequest, refusal: Refusal) -> Response[Any] | None:
    if refusal.code not in _WAYS_ON or not request.route_handler.opt.get(PAGE):
        return None
    request.scope["state"]["refusal"] = refusal.code
    path = str(request.scope["path"])
    if path == SIGN_OUT:  # the session has ended already
        return signed_out(request)
    known: ReturnTo = request.app.state.return_to
    target = known.accept(path + query_of(request)) or path  # a long query would make a URL that is refused
    done = "&done=no_cookie" if _has_signed_in(request, refusal) else ""
    return redirect(request, f"{_WAYS_ON[refusal.code]}?return_to={quote(target)}{done}")


def _has_signed_in(request: AnyRequest, refusal: Refusal) -> bool:
    """Whether the browser comes from a sign-in and has not kept its cookie."""
    referer = urlsplit(request.headers.get("referer", ""))
    path = referer.path.removeprefix(problems.prefix_of(request.scope))
    return refusal.code is ErrorCode.TOKEN_MISSING and path in SIGN_IN_FORMS


def _http_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    return _as_page(request, error_handlers.http_error_response(request, error))


def _internal_error(request: AnyRequest, error: Exception) -> Response[Any]:
    return _as_page(request, error_handlers.internal_error_response(request, error))


def _as_page(request: AnyRequest, answer: Response[Problem]) -> Response[Any]:
    if not _wants_page(request):
        return answer
    problem = answer.content
    heading, text = title(request, problem.code), explain_problem(request, problem.code, problem.detail)
    response = page(
        request, "message.html", status=problem.status, heading=heading, text=text, retry="", onward=False
    )
    response.headers.update(answer.headers)
    return response


async def send_without_route(
    scope: HTTPScope, receive: Receive, send: Send, code: str, detail: str, headers: dict[str, str]
) -> None:
    """The same where there is no route."""
    request: AnyRequest = StrictRequest(scope)
    document = problems.problem(code, detail, prefix=problems.prefix_of(scope))
    answer = _as_page(request, problems.problem_response(request, document, headers))
    await answer.to_asgi_response(app=None, request=request)(scope, receive, send)


REFUSALS: ExceptionHandlersMap = {Refusal: _refuse, HTTPException: _http_error, Exception: _internal_error}
"""What no handler answers itself: a program gets a problem document, a browser is shown the same as a page."""
