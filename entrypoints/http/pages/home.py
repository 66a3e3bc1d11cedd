"""The home page, icon, robots.txt and redirect of change-password."""

from pathlib import Path
from typing import Any

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Redirect

from entrypoints.http.endpoint import get
from entrypoints.http.guard import public
from entrypoints.http.pages.html import page
from entrypoints.http.request import AnyRequest
from entrypoints.release import release
from entrypoints.settings import Settings

_ICON = (Path(__file__).parent / "templates" / "icon.svg").read_bytes()
_A_DAY = {"Cache-Control": "public, max-age=86400"}


@get("/", policy=public(query=None))
async def home(request: AnyRequest, settings: NamedDependency[SkipValidation[Settings]]) -> Response[Any]:
    """A page, or JSON for clients that accept JSON and not HTML."""
    wanted = request.headers.get("accept", "")
    if "application/json" in wanted and "text/html" not in wanted:
        about = {"name": settings.name, "version": release(), "docs": "docs", "openapi": "openapi.json"}
        return Response(about, headers={"Vary": "Accept"})
    return page(request, "home.html", version=release(), development=settings.development)


@get("/.well-known/change-password", policy=public(query=None))
async def change_password_page() -> Redirect:
    """Where password managers send people (W3C, A Well-Known URL for Changing Passwords)."""
    return Redirect("../account/password", status_code=302)


@get(["/favicon.ico", "/favicon.svg"], policy=public(query=None))
async def icon() -> Response[bytes]:
    return Response(_ICON, media_type="image/svg+xml", headers=_A_DAY)


@get("/robots.txt", policy=public(query=None))
async def robots() -> Response[str]:
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain", headers=_A_DAY)


handlers = [home, change_password_page, icon, robots]
