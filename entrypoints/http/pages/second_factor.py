"""The second step of a sign-in: a code, a recovery code or a passkey after the right password."""

import json
from collections.abc import Sequence
from typing import Any, cast

from litestar import Response
from litestar.di import NamedDependency

from application.sessions.issue_cookie import SignedIn
from application.sessions.login_with_factor import LoginWithFactor
from application.sessions.logout import Logout
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import public
from entrypoints.http.pages.html import page, redirect
from entrypoints.http.pages.results import form_again
from entrypoints.http.pages.signing_in import (
    DEAD_CHALLENGE,
    destination,
    finish,
    json_object,
    outside,
    presented_factor,
    sign_in_path,
    start_again,
)
from entrypoints.http.request import AnyRequest, client_info_of, text_of

_KINDS = ("passkey", "totp", "recovery_code")


@show(["/sign-in/factor", "/sign-in/passkey"], policy=public(query=None))
async def begin_again(request: AnyRequest) -> Response[Any]:
    """These pages follow from a form."""
    return redirect(request, sign_in_path(text_of(request.query_params, "return_to")))


@submit("/sign-in/factor", policy=public(query=None, budget=Limit.FACTOR))
async def sign_in_by_factor(
    request: AnyRequest,
    sign_in_with_factor: NamedDependency[LoginWithFactor[SignedIn]],
    logout: NamedDependency[Logout],
) -> Response[Any]:
    form = await request.form()
    challenge, return_to = text_of(form, "challenge"), text_of(form, "return_to")
    given = ""
    try:
        given, factor = presented_factor(form)
        signed = await sign_in_with_factor(challenge=challenge, factor=factor, client_info=client_info_of(request))
    except Refusal as refusal:
        if refusal.code in DEAD_CHALLENGE:
            return start_again(request, refusal, return_to)
        offered = text_of(form, "factors").split(",")
        kinds, options = [kind for kind in _KINDS if kind in offered], text_of(form, "options")
        shown = _shown(request, return_to, challenge=challenge, kinds=kinds, options=options)
        return form_again(request, refusal, "second_factor.html", given=given, **shown)
    return await finish(request, signed, logout, return_to=return_to)


def second_factor_page(request: AnyRequest, refusal: Refusal, *, return_to: str) -> Response[str]:
    """After the refusal `second_factor_required`, which says what the account has."""
    request.scope["state"]["refusal"] = refusal.code
    offered = refusal.extensions
    passkey_options = offered["passkey_options"]
    options = "" if passkey_options is None else json.dumps(passkey_options)
    kinds = cast("Sequence[str]", offered["factors"])
    shown = _shown(request, return_to, challenge=str(offered["challenge"]), kinds=kinds, options=options)
    return page(request, "second_factor.html", error="", field="", given="", **shown)


def _shown(
    request: AnyRequest, return_to: str, *, challenge: str, kinds: Sequence[str], options: str
) -> dict[str, Any]:
    """The form repeats what is offered, so that a wrong code needs no second password."""
    try:
        json_object(options)
    except Refusal:
        options = ""
    carried = {"return_to": return_to, "factors": ",".join(kinds), "options": options}
    return {
        "challenge": challenge,
        "factors": kinds if options else [kind for kind in kinds if kind != "passkey"],
        "options": options,
        "carried": {name: value for name, value in carried.items() if value},
        "leads_to": outside(destination(request, return_to)),
    }


handlers = [begin_again, sign_in_by_factor]
