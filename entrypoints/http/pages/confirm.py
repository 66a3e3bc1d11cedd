"""Step-up: a signed-in person confirms that it is them, before something that requires it."""

import json
from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.factors.step_up import StepUp, StepUpOptions
from domain.authentication import AssuranceLevel
from domain.factor import FactorKind
from domain.rate_limits import Limit
from domain.refusals import Refusal
from domain.tokens import SteppedUpToken
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.identify import SIGN_IN_AGAIN, AccessChecks
from entrypoints.http.pages.html import go_on, page
from entrypoints.http.pages.results import form_again
from entrypoints.http.pages.signing_in import destination, outside, presented_factor
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of


@show("/confirm", policy=signed_in(query=None, enrolling=True))
async def confirm_page(request: AnyRequest, step_up_options: NamedDependency[StepUpOptions]) -> Response[str]:
    query = request.query_params
    shown = await _shown(request, step_up_options, text_of(query, "return_to"), text_of(query, "acr"))
    return page(request, "confirm.html", error="", field="", given="", **shown)


@submit("/confirm", policy=signed_in(query=None, budget=Limit.FACTOR_CHANGE, fresh=Fresh.NOT_NEEDED, enrolling=True))
async def confirm(
    request: AnyRequest, step_up: NamedDependency[StepUp], step_up_options: NamedDependency[StepUpOptions]
) -> Response[Any]:
    form = await request.form()
    return_to = text_of(form, "return_to")
    given = ""
    try:
        if "password" in form:
            given = "password"
            token = await step_up.by_password(
                caller_of(request), password=text_of(form, "password"), client_info=client_info_of(request)
            )
        else:
            given, factor = presented_factor(form)
            token = await step_up.by_factor(
                caller_of(request),
                factor=factor,
                challenge=text_of(form, "challenge"),
                client_info=client_info_of(request),
            )
    except Refusal as refusal:
        if refusal.code in SIGN_IN_AGAIN:
            raise
        shown = await _shown(request, step_up_options, return_to, text_of(form, "acr"))
        return form_again(request, refusal, "confirm.html", given=given, **shown)
    return _confirmed(request, token, return_to)


def _confirmed(request: AnyRequest, token: SteppedUpToken, return_to: str) -> Response[Any]:
    response = go_on(request, destination(request, return_to))
    cookies = AccessChecks.of(request.scope).cookies
    response.cookies.append(cookies.with_step_up(token.access_token, max_age=token.expires_in))
    return response


async def _shown(request: AnyRequest, step_up_options: StepUpOptions, return_to: str, acr: str) -> dict[str, Any]:
    """What the account has: its factors, or only a password. Leaves out what would lead here again: beside a passkey,
    a code of the app does not suffice for pages of ours, which ask for the strongest factor. Where a service asks for
    the level of passkeys (`acr`), nothing else does."""
    challenge, options, factors, has_codes = await step_up_options(caller_of(request))
    kinds = sorted({factor.kind.value for factor in factors})
    leads_to = outside(destination(request, return_to))
    offered = [*kinds, *(["recovery_code"] if has_codes and kinds else [])]
    if FactorKind.PASSKEY in kinds and acr == AssuranceLevel.PHISHING_RESISTANT:
        offered = [FactorKind.PASSKEY.value]
    elif FactorKind.PASSKEY in kinds and return_to and leads_to is None:
        offered = [kind for kind in offered if kind != FactorKind.TOTP]
    carried = {"return_to": return_to, "acr": acr}
    return {
        "challenge": challenge,
        "app_is_weak": FactorKind.TOTP in kinds and FactorKind.TOTP not in offered,
        "factors": offered,
        "options": json.dumps(options),
        "carried": {name: value for name, value in carried.items() if value},
        "leads_to": leads_to,
    }


handlers = [confirm_page, confirm]
