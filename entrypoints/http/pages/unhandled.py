"""What no handler answers: a program gets a problem document, a browser a page, or the page that leads on."""

from typing import Any
from urllib.parse import quote, urlsplit

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap, HTTPScope, Receive, Send

from domain.messages import translatable
from domain.refusals import ErrorCode, Refusal
from entrypoints.http import error_handlers, problems
from entrypoints.http.endpoint import PAGE
from entrypoints.http.identify import SIGN_IN_AGAIN
from entrypoints.http.pages.explain import explain_problem, title
from entrypoints.http.pages.html import page, redirect, texts_of
from entrypoints.http.pages.results import refused, signed_out
from entrypoints.http.pages.retries import SIGN_IN_FORMS, SIGN_OUT, query_of
from entrypoints.http.problems import Problem
from entrypoints.http.request import AnyRequest, StrictRequest
from entrypoints.http.return_to import ReturnTo


def _wants_page(request: AnyRequest) -> bool:
    """Whether the request comes from a browser and is not for the API."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/v1/")


def _refuse(request: AnyRequest, refusal: Refusal) -> Response[Any]:
    if (elsewhere := _way_on(request, refusal)) is not None:
        return elsewhere
    return refused(request, refusal) if _wants_page(request) else problems.refusal_response(request, refusal)


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
    problem, heading = answer.content, title(request, answer.content.code)
    text = explain_problem(request, problem.code, problem.detail)
    if problem.code == ErrorCode.NOT_FOUND:  # its detail is for developers
        text = texts_of(request).gettext(translatable("There is no page at this address."))
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
