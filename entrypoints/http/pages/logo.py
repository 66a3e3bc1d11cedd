"""The product's logo, under a name that changes with its content."""

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import get
from entrypoints.http.guard import public
from entrypoints.settings import Settings
from entrypoints.settings.logo import Logo

_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # An SVG may style itself. If it is opened as a page, nothing else is allowed.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
}


def path_of(logo: Logo) -> str:
    return f"logo/{logo.name}"


@get("/logo/{name:str}", policy=public(query=None))
async def logo(name: FromPath[str], settings: NamedDependency[SkipValidation[Settings]]) -> Response[bytes]:
    if settings.logo is None or name != settings.logo.name:
        raise Refusal(ErrorCode.NOT_FOUND, "Logo not found.")
    return Response(settings.logo.content, media_type=settings.logo.media_type, headers=_HEADERS)


handlers = [logo]
"""The route. It is always there, so that all installations have the same ones."""
