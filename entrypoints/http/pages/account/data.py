"""Download everything stored about the account."""

from collections.abc import Callable
from typing import Any

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Stream

from application.profile.export_me import ExportMe
from domain.rate_limits import Limit
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.frame import framed
from entrypoints.http.request import AnyRequest
from entrypoints.http.routes.export import download


@show("/account/export", policy=signed_in(query=None))
async def ask_to_export(request: AnyRequest) -> Response[Any]:
    return framed(request, "account_export.html", here="account")


@submit("/account/export", policy=signed_in(query=None, budget=Limit.EXPORT, fresh=Fresh.NOT_NEEDED))
async def export_by_button(
    request: AnyRequest,
    export_me: NamedDependency[ExportMe],
    start_deadline: NamedDependency[SkipValidation[Callable[[], None]]],
) -> Stream:
    return await download(request, export_me, start_deadline)


handlers = [ask_to_export, export_by_button]
