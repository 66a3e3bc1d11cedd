"""The passkeys and the authenticator app: list, rename, remove. A person who must have a factor comes here first."""

from typing import Any
from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency

from application.factors.change_factor import RemoveFactor, RenameFactor
from application.factors.list_factors import ListFactors
from domain.factor import Factor
from domain.rate_limits import Limit
from domain.refusals import Refusal, factor_not_found
from entrypoints.http.endpoint import show, submit
from entrypoints.http.factor_schemas import FactorIdInPath
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import redirect
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of


@show("/account/factors", policy=signed_in(query=None, enrolling=True))
async def factor_list(request: AnyRequest, list_factors: NamedDependency[ListFactors]) -> Response[Any]:
    factors, codes = await list_factors(caller_of(request))
    verified = caller_of(request).verified
    return framed(request, "account_factors.html", here="account", factors=factors, codes=codes, verified=verified)


@show("/account/factors/{factor_id:uuid}", policy=signed_in(query=None, enrolling=True))
async def one_factor(
    factor_id: FactorIdInPath, request: AnyRequest, list_factors: NamedDependency[ListFactors]
) -> Response[Any]:
    factor = await _factor(request, factor_id, list_factors)
    return framed(request, "account_factor.html", here="account", factor=factor, name=factor.name)


@submit(
    "/account/factors/{factor_id:uuid}",
    policy=signed_in(query=None, budget=Limit.FACTOR_CHANGE, fresh=Fresh.NOT_NEEDED, enrolling=True),
)
async def rename(
    factor_id: FactorIdInPath,
    request: AnyRequest,
    rename_factor: NamedDependency[RenameFactor],
    list_factors: NamedDependency[ListFactors],
) -> Response[Any]:
    form = await request.form()
    name = text_of(form, "name")
    try:
        await rename_factor(caller_of(request), factor_id, name=name)
    except Refusal as refusal:
        factor = await _factor(request, factor_id, list_factors)
        return framed(request, "account_factor.html", here="account", refusal=refusal, factor=factor, name=name)
    return redirect(request, "account/factors?done=factor_renamed")


@show("/account/factors/{factor_id:uuid}/remove", policy=signed_in(query=None, fresh=Fresh.ALWAYS, enrolling=True))
async def ask_to_remove(
    factor_id: FactorIdInPath, request: AnyRequest, list_factors: NamedDependency[ListFactors]
) -> Response[Any]:
    factor = await _factor(request, factor_id, list_factors)
    return framed(request, "account_factor_remove.html", here="account", factor=factor)


@submit(
    "/account/factors/{factor_id:uuid}/remove",
    policy=signed_in(query=None, budget=Limit.FACTOR_CHANGE, fresh=Fresh.ALWAYS, enrolling=True),
)
async def remove(
    factor_id: FactorIdInPath,
    request: AnyRequest,
    remove_factor: NamedDependency[RemoveFactor],
    list_factors: NamedDependency[ListFactors],
) -> Response[Any]:
    try:
        await remove_factor(caller_of(request), factor_id, client_info=client_info_of(request))
    except Refusal as refusal:
        factor = await _factor(request, factor_id, list_factors)
        return framed(request, "account_factor_remove.html", here="account", refusal=refusal, factor=factor)
    return redirect(request, "account/factors?done=factor_removed")


async def _factor(request: AnyRequest, factor_id: UUID, list_factors: ListFactors) -> Factor:
    """Raises `not_found`, also for another user's factor."""
    factors, _ = await list_factors(caller_of(request))
    factor = next((one for one in factors if one.id == factor_id), None)
    if factor is None:
        raise factor_not_found()
    return factor


handlers = [factor_list, one_factor, rename, ask_to_remove, remove]
