"""Replace the recovery codes. The response of the form shows the new ones, once."""

from collections.abc import Sequence
from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.factors.change_factor import ReplaceRecoveryCodes
from application.factors.list_factors import ListFactors
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.frame import framed
from entrypoints.http.request import AnyRequest, caller_of, client_info_of

_GROUP = 4
"""Characters between hyphens, which the service ignores in a code."""


@show("/account/recovery-codes", policy=signed_in(query=None, fresh=Fresh.ALWAYS, enrolling=True))
async def ask_to_replace(request: AnyRequest, list_factors: NamedDependency[ListFactors]) -> Response[Any]:
    return await _form(request, list_factors)


@submit(
    "/account/recovery-codes",
    policy=signed_in(query=None, budget=Limit.FACTOR_CHANGE, fresh=Fresh.ALWAYS, enrolling=True),
)
async def replace(
    request: AnyRequest,
    replace_recovery_codes: NamedDependency[ReplaceRecoveryCodes],
    list_factors: NamedDependency[ListFactors],
) -> Response[Any]:
    try:
        codes = await replace_recovery_codes(caller_of(request), client_info=client_info_of(request))
    except Refusal as refusal:
        return await _form(request, list_factors, refusal=refusal)
    return codes_once(request, codes)


def codes_once(request: AnyRequest, codes: Sequence[str], *, first: bool = False) -> Response[Any]:
    """The only page that shows recovery codes. `first` is with the first factor of an account."""
    grouped = ["-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP)) for code in codes]
    return framed(request, "account_codes.html", here="account", codes=grouped, first=first)


async def _form(request: AnyRequest, list_factors: ListFactors, *, refusal: Refusal | None = None) -> Response[Any]:
    factors, codes = await list_factors(caller_of(request))
    return framed(request, "account_codes_ask.html", here="account", refusal=refusal, factors=factors, codes=codes)


handlers = [ask_to_replace, replace]
