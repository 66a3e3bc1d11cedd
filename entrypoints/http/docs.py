"""OpenAPI, and the page of calls made from it: the same facts for people, with nothing loaded from anywhere."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.params import FromPath
from litestar.routes import HTTPRoute

from domain.refusals import Code, Refusal
from entrypoints.http.guard import Gate, anybody, gate_of
from entrypoints.http.html import page
from entrypoints.http.problems import CATALOGUE, PROBLEM_JSON

_PROBLEM = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}


@get("/openapi.json", guards=anybody(), include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(_document(request.app), media_type=MediaType.JSON)


@get("/problems/{name:str}", guards=anybody(), include_in_schema=False)
async def explain(name: FromPath[str]) -> Response[str]:
    """Where the `type` of a problem document leads."""
    if name not in CATALOGUE:
        raise Refusal(Code.NOT_FOUND, "There is no such problem.")
    status, title = CATALOGUE[name]
    return page("said.html", heading=title, text=f"Answered with status {status} and the code {name}.")


@get("/docs", guards=anybody(), include_in_schema=False)
async def calls(request: Request[Any, Any, Any]) -> Response[str]:
    text, headers = _page(request.app)
    return Response(text, media_type=MediaType.HTML, headers=headers)


@cache
def _document(app: Litestar) -> bytes:
    return msgspec.json.encode(_schema(app))


@cache
def _page(app: Litestar) -> tuple[str, dict[str, str]]:
    """Made once: it takes long enough to be felt by everybody else."""
    made = page("docs.html", calls=_calls(app))
    return made.content, dict(made.headers)


@cache
def _schema(app: Litestar) -> dict[str, Any]:
    """Told by a twin of the application: the framework's own way adds routes that nobody has asked for."""
    twin = Litestar(
        route_handlers=app.state.routes,
        dependencies=app.dependencies,
        openapi_config=OpenAPIConfig(title="Latchkey", version="1", use_handler_docstrings=True),
        logging_config=None,
    )
    schema = twin.openapi_schema.to_schema()
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "basic": {"type": "http", "scheme": "basic", "description": "A client made by `clients add`."},
    }
    gates = _gates(app)
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            gate = gates[path, method.upper()]
            if gate.caller:
                operation["security"] = [{"bearer": []}]
            if gate.client:
                operation["security"] = [{"basic": []}]
            if gate.role is not None:
                operation["x-required-role"] = gate.role
            _tell(operation["responses"], _everywhere(gate, takes_body="requestBody" in operation))
    return schema


def _gates(app: Litestar) -> dict[tuple[str, str], Gate]:
    return {
        (route.path_format, method): gate
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if (gate := gate_of(handler)) is not None
    }


def _everywhere(gate: Gate, *, takes_body: bool) -> Iterator[str]:
    """The codes that a handler need not declare: they follow from what stands in front of it."""
    yield "malformed"
    if gate.caller:
        yield from (Code.TOKEN_MISSING, Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.TOKEN_REVOKED)
    if gate.client:
        yield Code.INVALID_CREDENTIALS
    if gate.role is not None:
        yield from (Code.NOT_VERIFIED, Code.ROLE_REQUIRED)
    if takes_body:
        yield from ("too_large", "unsupported_media_type")
    yield from ("internal", Code.UNAVAILABLE)


def _tell(responses: dict[str, Any], codes: Iterable[str]) -> None:
    for code in codes:
        said = responses.setdefault(str(CATALOGUE[code][0]), {"description": "", "content": _PROBLEM})
        if f"`{code}`" not in said["description"]:
            said["description"] = " or ".join(filter(None, [said["description"], f"`{code}`"]))


def _calls(app: Litestar) -> list[dict[str, Any]]:
    schema = _schema(app)
    gates = _gates(app)
    return [
        {
            "id": operation["operationId"],
            "method": method.upper(),
            "path": path,
            "description": operation.get("description", operation.get("summary", "")),
            "who": _who(gates[path, method.upper()]),
            "parameters": [found["name"] for found in operation.get("parameters", []) if found["in"] == "query"],
            "form": "application/x-www-form-urlencoded" in operation.get("requestBody", {}).get("content", {}),
            "fields": _fields(schema, operation.get("requestBody", {})),
            "answers": sorted(
                (status, _told(schema, status, said)) for status, said in operation["responses"].items()
            ),
        }
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    ]


def _fields(schema: dict[str, Any], message: dict[str, Any]) -> list[tuple[str, bool]]:
    """Of a body or an answer: each with whether it is always there."""
    for body in message.get("content", {}).values():
        name = body.get("schema", {}).get("$ref", "").rsplit("/", 1)[-1]
        shape = schema["components"]["schemas"].get(name, {})
        return [(field, field in shape.get("required", [])) for field in shape.get("properties", ())]
    return []


def _told(schema: dict[str, Any], status: str, answer: dict[str, Any]) -> str:
    """What a yes brings, and the codes of a no."""
    if not status.startswith("2"):
        return str(answer["description"])
    return " ".join(f"`{field}`" for field, _ in _fields(schema, answer))


def _who(gate: Gate) -> str:
    if gate.client:
        return "a client, by HTTP Basic"
    if not gate.caller:
        return "anybody"
    return "a caller" if gate.role is None else f"a verified {gate.role} or higher"


handlers = [openapi, explain, calls]
