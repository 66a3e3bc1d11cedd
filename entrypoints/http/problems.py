"""Problem documents (RFC 9457): how a refusal is answered over HTTP."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response
from litestar.types import HTTPScope, Scope, Send, WebSocketScope
from msgspec import UNSET, Struct, UnsetType

from domain.refusals import UNAVAILABLE_RETRY_AFTER, ErrorCode, Refusal
from entrypoints.http.fields import documented
from entrypoints.http.problem_types import CATALOGUE

PROBLEM_JSON = "application/problem+json"


class FieldProblem(Struct, frozen=True):
    field: Annotated[str, documented("The name of the field; empty if none can be named.", "email")]
    code: Annotated[str, documented("The code of this field's problem, or the reason.", "email_invalid")]
    message: Annotated[str, documented("For people.", "This is not a valid e-mail address.")]


class Problem(Struct, frozen=True, kw_only=True):
    """A problem document (RFC 9457). `errors` names every field at fault."""

    type: Annotated[
        str, documented("Where the code is explained.", "/problems/email_invalid", format="uri-reference")
    ]
    title: Annotated[str, documented("A short text for the code.", "The e-mail address is not valid")]
    status: Annotated[int, documented("The HTTP status.", 422)]
    detail: Annotated[str, documented("What is wrong with this request.", "This is not a valid e-mail address.")]
    code: Annotated[str, documented("Stable. Base decisions on this.", "email_invalid", enum=list(CATALOGUE))]
    errors: list[FieldProblem] | UnsetType = UNSET
    retry_after: Annotated[int, documented("Seconds, as in `Retry-After`.", 60)] | UnsetType = UNSET
    challenge: Annotated[str, documented("Send it to `/v1/login/factor`.")] | UnsetType = UNSET
    factors: Annotated[list[str], documented("The kinds of factors that are accepted.")] | UnsetType = UNSET
    passkey_options: (
        Annotated[
            dict[str, Any] | None,
            documented("PublicKeyCredentialRequestOptionsJSON; null without passkeys.", additionalProperties=True),
        ]
        | UnsetType
    ) = UNSET
    acr_values: Annotated[str, documented("The required level of authentication (RFC 9470).")] | UnsetType = UNSET
    max_age: Annotated[int, documented("Seconds since the person authenticated, at most.")] | UnsetType = UNSET
    reason: Annotated[str, documented("Why the passkey is unsuitable.")] | UnsetType = UNSET


def problem(
    code: str,
    detail: str = "",
    errors: Sequence[FieldProblem] = (),
    *,
    status: int | None = None,
    retry_after: int | None = None,
    prefix: str = "",
    extensions: Mapping[str, Any] | None = None,
) -> Problem:
    """`status` is for a code that has more than one: `too_large` is 413, and 414 or 431 for a part of the head.
    `prefix` is the path of the public URL, under which `type` lies. `extensions` are further
    members."""
    known = CATALOGUE[code]
    return Problem(
        type=f"{prefix}/problems/{code}",
        title=known.title,
        status=status or known.status,
        detail=detail or f"{known.title}.",
        code=str(code),
        errors=list(errors) or UNSET,
        retry_after=UNSET if retry_after is None else retry_after,
        **extensions or {},
    )


def retry_after(refusal: Refusal) -> int | None:
    """Seconds after which the next attempt may succeed; None for a refusal that waiting does not change."""
    if refusal.retry_after is None and CATALOGUE[refusal.code].status == HTTPStatus.SERVICE_UNAVAILABLE:
        return UNAVAILABLE_RETRY_AFTER
    return refusal.retry_after


def prefix_of(scope: Scope) -> str:
    """The path of the public URL."""
    prefix: str = cast("dict[str, Any]", scope).get("state", {}).get("prefix", "")
    return prefix


def problem_response(
    request: Request[Any, Any, Any], document: Problem, headers: dict[str, str] | None = None
) -> Response[Problem]:
    request.scope["state"]["refusal"] = document.code  # for the access log and metrics
    return Response(
        document,
        status_code=document.status,
        media_type=PROBLEM_JSON,
        headers=_default_headers(document.status) | (headers or {}),
    )


def refusal_response(request: Request[Any, Any, Any], refusal: Refusal) -> Response[Problem]:
    document, headers = _document_and_headers(refusal, request.scope)
    if document.status == HTTPStatus.UNAUTHORIZED and "challenge" in request.state:
        headers["WWW-Authenticate"] = request.state.challenge
    return problem_response(request, document, headers)


async def send_refusal(scope: HTTPScope, send: Send, refusal: Refusal) -> None:
    """The same without the framework."""
    document, headers = _document_and_headers(refusal, scope)
    await send_problem(scope, send, document, headers)


async def send_redirect(scope: HTTPScope, send: Send, location: str, refusal: Refusal) -> None:
    """Redirect (302) a refused request to where a person can do something about it."""
    scope["state"]["refusal"] = refusal.code
    headers = [(b"location", location.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": HTTPStatus.FOUND, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_problem(scope: HTTPScope, send: Send, document: Problem, headers: dict[str, str]) -> None:
    """Its code goes into the state of the request, for the access log and metrics."""
    scope["state"]["refusal"] = document.code
    body = msgspec.json.encode(document)
    all_headers = {"Content-Type": PROBLEM_JSON, "Content-Length": str(len(body))}
    all_headers |= _default_headers(document.status) | headers
    lines = [(name.lower().encode(), value.encode()) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": document.status, "headers": lines})
    await send({"type": "http.response.body", "body": body, "more_body": False})


_BEARER_ERRORS = {
    **dict.fromkeys((ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_EXPIRED, ErrorCode.TOKEN_REVOKED), "invalid_token"),
    **dict.fromkeys((ErrorCode.NOT_VERIFIED, ErrorCode.ROLE_REQUIRED), "insufficient_scope"),
}
"""What RFC 6750 (section 3.1) calls them. Its grammar allows no quotation mark and no backslash in a description, so
that is the title of the code, which contains no user input."""


def mark_bearer(scope: HTTPScope | WebSocketScope) -> None:
    """An access token was sent in the Authorization header, so a refusal of it says what is wrong with it."""
    scope["state"]["bearer"] = True


def _document_and_headers(refusal: Refusal, scope: HTTPScope) -> tuple[Problem, dict[str, str]]:
    errors = [
        FieldProblem(item.field, item.reason or item.code, item.detail)
        for item in (refusal, *refusal.others)
        if item.field is not None
    ]
    wait = retry_after(refusal)
    headers = {} if wait is None else {"Retry-After": str(wait)}
    detail = refusal.detail
    if refusal.code is ErrorCode.MALFORMED and errors:
        # The message of a field is the rule that it breaks: "must be a string".
        detail = "; ".join(f"{item.field}: {item.message}" if item.field else item.message for item in errors)
    document = problem(
        refusal.code, detail, errors, retry_after=wait, prefix=prefix_of(scope), extensions=refusal.extensions
    )
    if refusal.code is ErrorCode.STEP_UP_REQUIRED:
        headers["WWW-Authenticate"] = _insufficient_authentication(refusal)
    elif scope["state"].get("bearer") and (error := _BEARER_ERRORS.get(refusal.code)):
        headers["WWW-Authenticate"] = f'Bearer error="{error}", error_description="{document.title}"'
    return document, headers


def _insufficient_authentication(refusal: Refusal) -> str:
    """The challenge of RFC 9470 section 3."""
    required = [f'{name}="{value}"' for name, value in refusal.extensions.items()]
    return "Bearer " + ", ".join(['error="insufficient_user_authentication"', *required])


def _default_headers(status: int) -> dict[str, str]:
    """Headers that every response with this status has."""
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    return {}


_EXAMPLE_ERRORS: dict[str, FieldProblem] = {
    ErrorCode.EMAIL_INVALID: FieldProblem("email", "email_invalid", "This is not a valid e-mail address."),
    ErrorCode.USERNAME_INVALID: FieldProblem(
        "username", "username_invalid", "This username is reserved. Choose another."
    ),
    ErrorCode.USERNAME_TAKEN: FieldProblem(
        "username", "username_taken", "This username is already taken. Choose another."
    ),
    ErrorCode.PASSWORD_WEAK: FieldProblem("password", "too_short", "A password must have at least 15 characters."),
    ErrorCode.PASSWORD_MISMATCH: FieldProblem(
        "confirm_password", "password_mismatch", "The two passwords do not match."
    ),
    ErrorCode.PASSKEY_UNSUITABLE: FieldProblem(
        "credential", "not_discoverable", "The authenticator did not store a discoverable passkey. Use another one."
    ),
}
_EXAMPLE_EXTENSIONS: dict[str, dict[str, Any]] = {
    ErrorCode.SECOND_FACTOR_REQUIRED: {
        "challenge": "eyJwIjoibG9naW4iLC.aRxT0A.s1gn",
        "factors": ["totp", "recovery_code"],
    },
    ErrorCode.STEP_UP_REQUIRED: {"acr_values": "aal2", "max_age": 300},
    ErrorCode.PASSKEY_UNSUITABLE: {"reason": "not_discoverable"},
}
_EXAMPLE_WAITS = {429: 60, 503: UNAVAILABLE_RETRY_AFTER}


def example(code: str, *, prefix: str = "") -> Problem:
    """A problem document of that code, for the OpenAPI document and the page of the problem."""
    error = _EXAMPLE_ERRORS.get(code)
    wait = _EXAMPLE_WAITS.get(CATALOGUE[code].status)
    return problem(
        code,
        error.message if error else "",
        [error] if error else [],
        retry_after=wait,
        prefix=prefix,
        extensions=_EXAMPLE_EXTENSIONS.get(code),
    )
