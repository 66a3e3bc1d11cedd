"""The OpenAPI 3.1 document. The framework derives it from the routes, msgspec writes the schemas.

Added here is what neither knows: access policies, and refusals with their headers and examples.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from inspect import isclass
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Contact, License, Server, Tag
from litestar.routes import HTTPRoute
from msgspec import UNSET, Struct

from domain.refusals import Code
from entrypoints.http.guard import Gate, gate_of
from entrypoints.http.problems import CATALOGUE, PROBLEM_JSON, Problem, Refusals, example
from entrypoints.release import release

TAGS = {
    "Registration": "Create an account and verify its e-mail address.",
    "Sessions": "Log in, stay logged in, log out.",
    "Account": "The caller's own account.",
    "Password": "Reset a forgotten password, change a known one.",
    "E-mail": "Change the e-mail address, or undo a change.",
    "Users": "For moderators and admins: find, change and remove users.",
    "Services": "For other programs: check and revoke tokens, protect a service behind a proxy.",
    "System": "Health, keys and metrics.",
}

_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` of a token pair.",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "Id and secret of a client, as printed by `clients add`. They may be sent as"
        " `client_id` and `client_secret` in the form instead.",
    },
}
_RETRY_AFTER = {
    "description": "Seconds to wait before the next attempt.",
    "schema": {"type": "integer", "minimum": 1},
}
_CHALLENGE = {"description": "How to authenticate (RFC 9110, section 11.6.1).", "schema": {"type": "string"}}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": _CHALLENGE},
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
}


@cache
def document(app: Litestar) -> dict[str, Any]:
    """Built from a second application with the same routes: the framework would add routes to the first."""
    twin = Litestar(
        route_handlers=app.state.routes,
        dependencies=app.dependencies,
        openapi_config=OpenAPIConfig(
            title="Latchkey",
            version=release(),
            description="Accounts over HTTP: registration, login, sessions, roles and audit.",
            contact=Contact(name="The operator of this installation", url=app.state.public_url),
            license=License(name="MIT", identifier="MIT"),
            servers=[Server(url=app.state.public_url)],
            tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
            use_handler_docstrings=True,
        ),
        logging_config=None,
    )
    openapi = twin.openapi_schema.to_schema()
    handlers = dict(_handlers(app))
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            _complete(operation, handlers[path, method.upper()])
    openapi["components"] = {"schemas": _schemas(handlers.values()), "securitySchemes": _SCHEMES}
    return openapi


def access_policies(app: Litestar) -> dict[tuple[str, str], Gate]:
    """The access policy of each documented operation, by path and method."""
    return {key: _policy(handler) for key, handler in _handlers(app)}


def _handlers(app: Litestar) -> Iterator[tuple[tuple[str, str], HTTPRouteHandler]]:
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if handler.include_in_schema is not False:
                yield from (((route.path_format, str(method)), handler) for method in handler.http_methods)


def _policy(handler: HTTPRouteHandler) -> Gate:
    policy = gate_of(handler)
    if policy is None:
        raise TypeError(f"{handler.handler_name} declares no access policy")
    return policy


def _complete(operation: dict[str, Any], handler: HTTPRouteHandler) -> None:
    policy = _policy(handler)
    operation["security"] = [{"bearer": []}] if policy.caller else [{"basic": []}] if policy.client else []
    if policy.role is not None:
        operation["x-required-role"] = policy.role
    for parameter in operation.get("parameters", []):
        _require_value(parameter)
    answers = {status: answer for status, answer in operation["responses"].items() if status < "400"}
    for answer in answers.values():
        for header in answer.get("headers", {}).values():
            header.setdefault("schema", {"type": "string"})
    operation["responses"] = answers | {
        str(status): _problem(status, codes)
        for status, codes in _codes(handler, policy, takes_body="requestBody" in operation).items()
    }


def _require_value(parameter: dict[str, Any]) -> None:
    """A query parameter that may be left out is still never null."""
    schema = parameter["schema"]
    if "oneOf" in schema:
        [value] = [one for one in schema.pop("oneOf") if one != {"type": "null"}]
        schema |= value


def _codes(handler: HTTPRouteHandler, policy: Gate, *, takes_body: bool) -> dict[int, list[str]]:
    """The codes that an operation may refuse with, by status."""
    codes = ["malformed"]
    if policy.caller:
        codes += [Code.TOKEN_MISSING, Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.TOKEN_REVOKED]
    if policy.client:
        codes += [Code.INVALID_CREDENTIALS]
    if policy.role is not None:
        codes += [Code.NOT_VERIFIED, Code.ROLE_REQUIRED]
    if policy.budget is not None:
        codes += [Code.RATE_LIMITED]
    codes += [
        code for spec in (handler.responses or {}).values() if isinstance(spec, Refusals) for code in spec.codes
    ]
    if takes_body:
        codes += ["too_large", "unsupported_media_type"]
    codes += ["internal", Code.UNAVAILABLE]
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(map(str, codes)):
        by_status.setdefault(CATALOGUE[code][0], []).append(code)
    return dict(sorted(by_status.items()))


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    examples = {code: {"summary": CATALOGUE[code][1], "value": msgspec.to_builtins(example(code))} for code in codes}
    answer = {
        "description": " or ".join(f"`{code}`" for code in codes),
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }
    return answer | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _schemas(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    types: set[type[Struct]] = {Problem}
    for handler in handlers:
        annotations = [handler.parsed_fn_signature.return_type.annotation]
        annotations += [handler.parsed_data_field.annotation] if handler.parsed_data_field else []
        annotations += [spec.data_container for spec in (handler.responses or {}).values()]
        types.update(found for found in annotations if isclass(found) and issubclass(found, Struct))
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            if field.get("default", ...) is None:
                del field["default"]  # generated TypeScript would make the field required
        _example(schema, schemas)
    return dict(sorted(schemas.items()))


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """An example that fits the schema, or UNSET. That of an object is made of its fields', and written into it."""
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    if "examples" not in schema and "properties" in schema:
        fields = {name: _example(field, schemas) for name, field in schema["properties"].items()}
        schema["examples"] = [{name: value for name, value in fields.items() if value is not UNSET}]
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
    if "items" in schema:
        return [_example(schema["items"], schemas)]
    return schema["enum"][0] if "enum" in schema else UNSET
