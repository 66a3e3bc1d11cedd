"""Problem documents for errors of the framework and unexpected errors."""

from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from domain.refusals import ErrorCode, Refusal
from entrypoints.http.problems import Problem, prefix_of, problem, problem_response, refusal_response
from entrypoints.http.validation import decoded_problem, missing_body, problem_of, refusal_of, rule_for

_CODES = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}

log = structlog.get_logger()


def http_error_response(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Translates an error of the framework about a route, method, size or parameter."""
    if isinstance(error, ValidationException):
        extras = error.extra if isinstance(error.extra, list) else []
        problems = [
            item
            for extra in extras
            for item in _parameter_problems(request, str(extra.get("key")), str(extra.get("message")))
        ]
        return refusal_response(request, refusal_of(problems or [Refusal(ErrorCode.MALFORMED)]))
    detail = error.detail if error.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE else ""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return internal_error_response(request, error)
    code = _CODES.get(error.status_code, "malformed")
    return problem_response(request, problem(code, detail, prefix=prefix_of(request.scope)))


def _parameter_problems(request: Request[Any, Any, Any], name: str, message: str) -> list[Refusal]:
    """The framework reports the handler's parameter names, and a missing body as `data`."""
    if name == "data":
        wanted = request.route_handler.parsed_data_field
        missing = message == repr(name)
        return missing_body(wanted and wanted.annotation) if missing else [decoded_problem(message)]
    parameter = request.route_handler.parsed_fn_signature.parameters.get(name)
    known_as = getattr(parameter and parameter.kwarg_definition, "name", None)
    return [problem_of(known_as or name, rule_for(message, parameter and parameter.annotation))]


def internal_error_response(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Logs an unexpected error and tells the client nothing about it."""
    log.error("internal_error", path=request.scope["path"], exc_info=error)
    return problem_response(request, problem("internal", prefix=prefix_of(request.scope)))
