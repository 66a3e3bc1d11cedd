"""The style sheet of all pages. Its name changes with its content, so that browsers can cache it."""

import hashlib
import re
from pathlib import Path

from litestar import Response
from litestar.params import FromPath

from domain.branding import Accent
from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import get
from entrypoints.http.guard import public
from entrypoints.http.request import AnyRequest

_BASE = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
_LIGHT = ":root { --accent: %s; }\n"
_DARK = "@media (prefers-color-scheme: dark) { :root { --accent: %s; } }\n"
_NAME = re.compile(r"[0-9a-f]{20}\.css")
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


class StyleSheet:
    """With the colour of this installation."""

    def __init__(self, accent: Accent) -> None:
        self.content = f"{_BASE}{_LIGHT % accent.light}{_DARK % accent.dark}"
        self.name = f"{hashlib.sha256(self.content.encode()).hexdigest()[:20]}.css"


@get("/style/{name:str}", policy=public(query=None))
async def style_sheet(request: AnyRequest, name: FromPath[str]) -> Response[str]:
    """Another digest, from a page of another release, gets the same style sheet, without permission to cache it."""
    if not _NAME.fullmatch(name):
        raise Refusal(ErrorCode.NOT_FOUND, "There is no style sheet with this name.")
    sheet: StyleSheet = request.app.state.pages.style
    return Response(sheet.content, media_type="text/css", headers=_FOR_EVER if name == sheet.name else {})


handlers = [style_sheet]
