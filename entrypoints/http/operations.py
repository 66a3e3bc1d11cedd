"""Operations of the OpenAPI document: what follows from the access policy and the errors of a route."""

from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field

import msgspec
from litestar.openapi.spec import (
    Example,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    Reference,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from domain.refusals import ErrorCode
from domain.role import Role
from entrypoints.http.guard import AccessPolicy, Fresh
from entrypoints.http.identify import Credential
from entrypoints.http.problem_types import CATALOGUE
from entrypoints.http.problems import PROBLEM_JSON, example

_RETRY_AFTER = OpenAPIHeader(
    description="Seconds to wait before the next attempt.",
    schema=Schema(type=OpenAPIType.INTEGER, minimum=1),
    required=True,
)
_CHALLENGE = OpenAPIHeader(
    description="How to authenticate (RFC 9110, section 11.6.1).",
    schema=Schema(type=OpenAPIType.STRING),
    required=True,
)
_HEADERS = {
    401: {"WWW-Authenticate": _CHALLENGE},
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
}


_SCHEMES = {
    Credential.TOKEN: ["bearer"],
    Credential.COOKIE: ["cookie"],
    Credential.TOKEN_OR_COOKIE: ["bearer", "cookie"],
}


@dataclass(kw_only=True)
class DocumentedOperation(Operation):
    """The framework makes one for each route, and knows neither its policy nor its errors."""

    policy: InitVar[AccessPolicy]
    errors: InitVar[tuple[str, ...]]
    required_role: str | None = field(default=None, metadata={"alias": "x-required-role"})

    def __post_init__(self, policy: AccessPolicy, errors: tuple[str, ...]) -> None:
        schemes = _SCHEMES[policy.credential] if policy.caller else ["basic"] if policy.client else []
        self.security = [{scheme: []} for scheme in schemes]
        self.required_role = None if policy.role is None else policy.role.value
        for parameter in self.parameters or []:
            _require_value(parameter)
        answers = {status: answer for status, answer in (self.responses or {}).items() if status < "400"}
        for answer in answers.values():
            for header in (answer.headers or {}).values() if isinstance(answer, OpenAPIResponse) else ():
                if isinstance(header, OpenAPIHeader):
                    header.schema = header.schema or Schema(type=OpenAPIType.STRING)
        by_status: dict[int, list[str]] = {}
        codes = _codes(policy, errors, has_body=self.request_body is not None)
        for code in dict.fromkeys(map(str, codes)):
            by_status.setdefault(CATALOGUE[code].status, []).append(code)
        self.responses = answers | {str(status): _problem(status, by_status[status]) for status in sorted(by_status)}


def _codes(policy: AccessPolicy, errors: tuple[str, ...], *, has_body: bool) -> Iterator[str]:
    """The codes that an operation may refuse with."""
    yield ErrorCode.MALFORMED
    if policy.caller:
        yield from (
            ErrorCode.TOKEN_MISSING,
            ErrorCode.TOKEN_INVALID,
            ErrorCode.TOKEN_EXPIRED,
            ErrorCode.TOKEN_REVOKED,
        )
        if policy.fresh in (Fresh.ALWAYS, Fresh.WITH_FACTOR):
            yield ErrorCode.STEP_UP_REQUIRED
        if not policy.enrolling:
            yield ErrorCode.FACTOR_REQUIRED
    if policy.client:
        yield ErrorCode.INVALID_CREDENTIALS
    if policy.role is not None:
        yield ErrorCode.NOT_VERIFIED
        if policy.role is not Role.MEMBER:  # which every verified user has
            yield ErrorCode.ROLE_REQUIRED
    if policy.budget is not None:
        yield ErrorCode.RATE_LIMITED
    yield from errors
    if has_body:
        yield from ("too_large", "unsupported_media_type")
    yield from ("internal", ErrorCode.UNAVAILABLE)


def _require_value(parameter: Parameter | Reference) -> None:
    """A query parameter is never null, even if it may be left out."""
    schema = parameter.schema if isinstance(parameter, Parameter) else None
    if isinstance(parameter, Parameter) and isinstance(schema, Schema) and schema.one_of:
        [value] = [
            option for option in schema.one_of if not (isinstance(option, Schema) and option.type == OpenAPIType.NULL)
        ]
        if isinstance(value, Reference):
            parameter.schema = value
        else:
            schema.one_of, schema.type = None, value.type


def _problem(status: int, codes: list[str]) -> OpenAPIResponse:
    examples: dict[str, Example | Reference] = {
        code: Example(summary=CATALOGUE[code].title, value=msgspec.to_builtins(example(code))) for code in codes
    }
    content = OpenAPIMediaType(schema=Reference(ref="#/components/schemas/Problem"), examples=examples)
    return OpenAPIResponse(
        description=" or ".join(f"`{code}`" for code in codes),
        content={PROBLEM_JSON: content},
        headers=dict(_HEADERS[status]) if status in _HEADERS else None,
    )
