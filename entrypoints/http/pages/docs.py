"""The OpenAPI document, the API reference made from it, and a page for each problem."""

import json
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response
from litestar.params import FromPath

from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import get
from entrypoints.http.guard import public
from entrypoints.http.openapi import document, documented_routes
from entrypoints.http.pages.html import ENGLISH, Pages, page
from entrypoints.http.pages.reference import topics
from entrypoints.http.problem_types import CATALOGUE
from entrypoints.http.problems import example, prefix_of
from entrypoints.http.request import FOR_ANY_ORIGIN


@get("/openapi.json", policy=public())
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(_document(request.app), media_type=MediaType.JSON, headers=FOR_ANY_ORIGIN)


@get("/problems/{name:str}", policy=public())
async def problem_type(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[str]:
    """Where the `type` of a problem document leads."""
    if name not in CATALOGUE:
        raise Refusal(ErrorCode.NOT_FOUND, "There is no problem with this code.")
    sample = json.dumps(msgspec.to_builtins(example(name, prefix=prefix_of(request.scope))), indent=2)
    links = _links(request.app)
    shown: dict[str, Any] = {"code": name, "problem": CATALOGUE[name], "example": sample, "links": links}
    return page(request, "problem.html", language=ENGLISH, **shown)


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
    groups = list(topics(document(app)))
    made = pages.render(
        "docs.html", root="./", language=ENGLISH, topics=groups, catalogue=CATALOGUE, links=_links(app)
    )
    return made.content, dict(made.headers)


@cache
def _links(app: Litestar) -> dict[str, str]:
    """Links of calls and codes in texts, relative to the root."""
    calls = {
        f"{method} {path}": f"docs#{handler.operation_id}"
        for path, handler in documented_routes(app)
        for method in handler.http_methods
    }
    return calls | {code: f"problems/{code}" for code in CATALOGUE}


handlers = [openapi, problem_type, docs_page]
