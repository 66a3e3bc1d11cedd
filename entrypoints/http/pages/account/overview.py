"""The account at a glance, with a link to each page that changes it."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.factors.list_factors import ListFactors
from application.profile.show_me import ShowMe
from entrypoints.http.endpoint import show
from entrypoints.http.guard import signed_in
from entrypoints.http.pages.frame import framed
from entrypoints.http.request import AnyRequest, caller_of


@show("/account", policy=signed_in(query=None))
async def overview(
    request: AnyRequest, show_me: NamedDependency[ShowMe], list_factors: NamedDependency[ListFactors]
) -> Response[Any]:
    user = await show_me(caller_of(request))
    factors, codes = await list_factors(caller_of(request))
    return framed(request, "account.html", here="account", user=user, factors=factors, codes=codes)


handlers = [overview]
