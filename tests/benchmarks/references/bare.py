"""The minimum of the framework: a handler with an empty response."""

from litestar import Litestar, MediaType, get


@get("/", media_type=MediaType.TEXT)
async def index() -> str:
    return ""


app = Litestar([index], openapi_config=None, logging_config=None)
