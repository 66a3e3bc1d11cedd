"""The OpenAPI document, and the page made from it: the same facts for people, with nothing loaded from elsewhere."""

from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response
from litestar.params import FromPath

from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import get
from entrypoints.http.guard import public
from entrypoints.http.openapi import document
from entrypoints.http.pages.html import Pages, page
from entrypoints.http.problems import CATALOGUE
from entrypoints.http.request import FOR_ANY_ORIGIN


@get("/openapi.json", policy=public())
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(_document(request.app), media_type=MediaType.JSON, headers=FOR_ANY_ORIGIN)


@get("/problems/{name:str}", policy=public())
async def problem_type(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[str]:
    """Where the `type` of a problem document leads."""
    if name not in CATALOGUE:
        raise Refusal(ErrorCode.NOT_FOUND, "There is no problem with this code.")
    status, title = CATALOGUE[name]
    text = f"The API returns the status {status} with the code {name}."
    return page(request, "message.html", heading=title, text=text, retry="", step="Back to")


@get("/docs", policy=public())
async def docs_page(request: Request[Any, Any, Any]) -> Response[str]:
    text, headers = _page(request.app)
    return Response(text, media_type=MediaType.HTML, headers=headers)


@cache
def _document(app: Litestar) -> bytes:
    return msgspec.json.encode(document(app))


@cache
def _page(app: Litestar) -> tuple[str, dict[str, str]]:
    """Built once: building it takes long enough to delay other requests."""
    pages: Pages = app.state.pages
    response = pages.render("docs.html", root="./", calls=_calls(app))
    return response.content, dict(response.headers)


def _calls(app: Litestar) -> list[dict[str, Any]]:
    schema = document(app)
    return [
        {
            "id": operation["operationId"],
            "method": method.upper(),
            "path": path,
            "description": operation.get("description", operation.get("summary", "")),
            "who": _required_auth(operation),
            "parameters": [found["name"] for found in operation.get("parameters", []) if found["in"] == "query"],
            "form": "application/x-www-form-urlencoded" in operation.get("requestBody", {}).get("content", {}),
            "fields": _fields(schema, operation.get("requestBody", {})),
            "answers": sorted(
                (status, _summarize_response(schema, status, response))
                for status, response in operation["responses"].items()
            ),
        }
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    ]


def _fields(schema: dict[str, Any], message: dict[str, Any]) -> list[tuple[str, bool]]:
    """Fields of a request or response, each with whether it is always there."""
    for body in message.get("content", {}).values():
        name = body.get("schema", {}).get("$ref", "").rsplit("/", 1)[-1]
        shape = schema["components"]["schemas"].get(name, {})
        return [(field, field in shape.get("required", [])) for field in shape.get("properties", ())]
    return []


def _summarize_response(schema: dict[str, Any], status: str, answer: dict[str, Any]) -> str:
    """The fields of a success, or the codes of an error."""
    if not status.startswith("2"):
        return str(answer["description"])
    return " ".join(f"`{field}`" for field, _ in _fields(schema, answer))


def _required_auth(operation: dict[str, Any]) -> str:
    if {"basic": []} in operation["security"]:
        return "client credentials (HTTP Basic)"
    if not operation["security"]:
        return "public"
    role = operation.get("x-required-role")
    return "authenticated" if role is None else f"authenticated, verified, {role} or higher"


handlers = [openapi, problem_type, docs_page]
