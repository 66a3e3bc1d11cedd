"""The declaration of a route: method, path, access policy, errors and handler.

The guard, the budget, and security and error responses in the OpenAPI document follow from it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NoReturn, cast

from litestar.datastructures import ResponseHeader
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Operation
from litestar.types import ASGIApp, BeforeRequestHookHandler, HTTPScope, Method, Receive, Scope, Send

from domain.refusals import Refusal
from domain.tokens import AccessToken
from entrypoints.http.guard import AccessPolicy
from entrypoints.http.operations import DocumentedOperation
from entrypoints.http.problems import send_redirect, send_refusal
from entrypoints.http.request import strict_form_if_any

_DESCRIPTIONS: dict[int | None, str] = {202: "Accepted.", 204: "Success, without a body."}
"""Of responses in the OpenAPI document, by status."""

PLAIN = "plain"
"""The option of a handler that holds its plain ASGI application."""

NO_OPTIONS = "no_options"
"""The option of a handler whose path answers OPTIONS with 405."""

PAGE = "page"
"""The option of a handler that answers a person's browser with a page."""

Headers = list[tuple[bytes, bytes]]
PlainAnswer = Callable[[HTTPScope, AccessToken], Awaitable[tuple[Headers, bytes]]]
"""Returns the headers and the body of a 200 for the caller, or raises a refusal."""
RedirectOnRefusal = Callable[[HTTPScope, Refusal], str | None]
"""The URL to which a refused request is redirected; None for a problem document."""


def endpoint(
    method: Method | Sequence[Method],
    path: str | Sequence[str],
    *,
    policy: AccessPolicy,
    operation_id: str | None = None,
    summary: str | None = None,
    tag: str | None = None,
    errors: Collection[str] = (),
    plain: PlainAnswer | None = None,
    plain_refusal: RedirectOnRefusal | None = None,
    page: bool = False,
    answers_options: bool = True,
    status_code: int | None = None,
    media_type: MediaType | str | None = None,
    response_headers: Sequence[ResponseHeader] | None = None,
    responses: Mapping[int, ResponseSpec] | None = None,
    before_request: "BeforeRequestHookHandler | None" = None,
    sync_to_thread: bool | None = None,
) -> HTTPRouteHandler:
    """A route without `operation_id` is not in the OpenAPI document. `errors` are the codes that only this handler
    refuses with; those of its policy and its body need not be named.

    With `plain`, `Dispatch` calls that function as a plain ASGI application. The handler has no body; its signature
    is for the OpenAPI document. Other services call such routes on each of their own requests, and the framework
    would cost more than the response. `plain_refusal` may redirect a refused request.

    A `page` refuses forms that another origin sends, and sends a person who has to sign in first to the sign-in page.

    `answers_options` is False for a route that a proxy calls with the method of its client: the proxy would take a
    successful OPTIONS response for permission.
    """
    operation = partial(DocumentedOperation, policy=policy, errors=tuple(errors))
    return HTTPRouteHandler(
        path,
        http_method=method,
        guards=[policy],
        opt={
            PLAIN: None if plain is None else _plain_asgi(policy, plain, plain_refusal),
            NO_OPTIONS: not answers_options,
            PAGE: page,
        },
        operation_id=operation_id,
        operation_class=cast("type[Operation]", operation),
        include_in_schema=operation_id is not None,
        summary=summary,
        tags=None if tag is None else [tag],
        status_code=status_code,
        media_type=media_type,
        response_description=_DESCRIPTIONS.get(status_code, "Success."),
        response_headers=response_headers,
        responses=responses,
        before_request=before_request,
        sync_to_thread=sync_to_thread,
    )


def described_only(*_: object) -> NoReturn:
    """The body of a handler with `plain`. The OpenAPI document needs its signature, and `Dispatch` answers the route
    before Litestar would call it. Takes the parameters of the handler."""
    raise AssertionError("Dispatch answers this route by its plain application")


get, post, patch, delete = (partial(endpoint, method) for method in ("GET", "POST", "PATCH", "DELETE"))
show = partial(endpoint, "GET", page=True)
"""A page."""
submit = partial(endpoint, "POST", page=True, status_code=200, before_request=strict_form_if_any)
"""A form of a page. Answers with a redirect, or with the page and what is wrong."""


def _plain_asgi(policy: AccessPolicy, answer: PlainAnswer, redirect: RedirectOnRefusal | None) -> ASGIApp:
    async def respond(scope: Scope, _: Receive, send: Send) -> None:
        scope = cast("HTTPScope", scope)
        try:
            headers, body = await answer(scope, await policy.admit(scope))
        except Refusal as refusal:
            location = None if redirect is None else redirect(scope, refusal)
            if location is None:
                await send_refusal(scope, send, refusal)
            else:
                await send_redirect(scope, send, location, refusal)
            return
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return respond
