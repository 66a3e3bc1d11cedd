"""Step-up: a signed-in person confirms that it is them, before something that requires it."""

import json
from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.factors.step_up import StepUp, StepUpOptions
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
    shown = await _shown(request, step_up_options, text_of(request.query_params, "return_to"))
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
        shown = await _shown(request, step_up_options, return_to)
        return form_again(request, refusal, "confirm.html", given=given, **shown)
    return _confirmed(request, token, return_to)


def _confirmed(request: AnyRequest, token: SteppedUpToken, return_to: str) -> Response[Any]:
    response = go_on(request, destination(request, return_to))
    cookies = AccessChecks.of(request.scope).cookies
    response.cookies.append(cookies.with_step_up(token.access_token, max_age=token.expires_in))
    return response


async def _shown(request: AnyRequest, step_up_options: StepUpOptions, return_to: str) -> dict[str, Any]:
    """What the account has: its factors, or only a password. Pages of ours ask for the strongest factor, so a code of
    the app does not suffice there beside a passkey."""
    challenge, options, factors, has_codes = await step_up_options(caller_of(request))
    kinds = sorted({factor.kind.value for factor in factors})
    leads_to = outside(destination(request, return_to))
    app_is_weak = FactorKind.PASSKEY in kinds and FactorKind.TOTP in kinds and return_to != "" and leads_to is None
    if app_is_weak:
        kinds.remove(FactorKind.TOTP)
    return {
        "challenge": challenge,
        "app_is_weak": app_is_weak,
        "factors": [*kinds, *(["recovery_code"] if has_codes and kinds else [])],
        "options": json.dumps(options),
        "carried": {"return_to": return_to} if return_to else {},
        "leads_to": leads_to,
    }


handlers = [confirm_page, confirm]
