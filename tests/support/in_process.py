"""The HTTP application in the process of a test."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar.types import ASGIApp

from entrypoints.container import Container, close
from entrypoints.http.app import create
from entrypoints.settings import load
from tests.support.service import Service, code

ALWAYS = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


REQUEST_ID = re.compile(r"[0-9a-f]{32}")


def carries_all(answer: httpx.Response, **instead: str) -> None:
    expected = {**ALWAYS, **{name.replace("_", "-"): value for name, value in instead.items()}}
    assert {name: answer.headers.get_list(name) for name in expected} == {
        name: [value] for name, value in expected.items()
    }
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
    assert not {"server", "x-powered-by", "via", "set-cookie"} & set(answer.headers)
    if answer.status_code >= 400:
        code(answer)


@asynccontextmanager
async def inside(
    service: Service,
    *,
    peer: str = "203.0.113.5",
    build: Callable[[Container], ASGIApp] = create,
    **more: str,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this process with other settings; `peer` is the address of the connection."""
    container = Container(settings=load({**service.environ, **more}))
    app: Any = build(container)  # httpx defines its own types for this protocol
    transport = httpx.ASGITransport(app, client=(peer, 1))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=service.url) as client:
            yield client
    finally:
        await close(container)


GOOD = "https://app.good.example"


def varies(answer: httpx.Response) -> set[str]:
    return {name.strip().lower() for name in answer.headers.get("vary", "").split(",")}
