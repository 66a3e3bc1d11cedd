"""OpenAPI, and the page of calls made from it: the same facts for people, with nothing loaded from anywhere."""

from functools import cache
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.routes import HTTPRoute

from entrypoints.http.guard import Gate, anybody, gate_of
from entrypoints.http.html import page


@get("/openapi.json", guards=anybody(), include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return _schema(request.app)


@get("/docs", guards=anybody(), include_in_schema=False)
async def calls(request: Request[Any, Any, Any]) -> Response[str]:
    return page("docs.html", calls=_calls(request.app))


@cache
def _schema(app: Litestar) -> dict[str, Any]:
    """Told by a twin of the application: the framework's own way adds routes that nobody has asked for."""
    twin = Litestar(
        route_handlers=app.state.routes,
        dependencies=app.dependencies,
        openapi_config=OpenAPIConfig(title="Latchkey", version="1"),
        logging_config=None,
    )
    return twin.openapi_schema.to_schema()


@cache
def _calls(app: Litestar) -> list[dict[str, Any]]:
    schema = _schema(app)
    gates = {
        (route.path_format, method): gate_of(handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }
    return [
        {
            "id": operation["operationId"],
            "method": method.upper(),
            "path": path,
            "description": operation.get("description", operation.get("summary", "")),
            "who": _who(gates.get((path, method.upper()))),
            "parameters": [found["name"] for found in operation.get("parameters", []) if found["in"] == "query"],
            "fields": _fields(schema, operation),
            "answers": [(status, said.get("description", "")) for status, said in operation["responses"].items()],
        }
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    ]


def _fields(schema: dict[str, Any], operation: dict[str, Any]) -> list[tuple[str, bool]]:
    content = operation.get("requestBody", {}).get("content", {})
    for body in content.values():
        name = body["schema"]["$ref"].rsplit("/", 1)[-1]
        shape = schema["components"]["schemas"][name]
        return [(field, field in shape.get("required", [])) for field in shape["properties"]]
    return []


def _who(gate: Gate | None) -> str:
    if gate is None or not gate.caller:
        return "anybody"
    return "a caller" if gate.role is None else f"a verified {gate.role} or higher"


handlers = [openapi, calls]
