"""Add a passkey or an authenticator app. With the first one, the response shows the recovery codes, once."""

import json
from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.factors.add_passkey import AddPasskey, PasskeyOptions
from application.factors.add_totp import AddTotp, TotpOptions
from application.factors.enrolment import EnrolledFactor
from domain.messages import translatable
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.account.recovery_codes import codes_once
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import redirect, texts_of
from entrypoints.http.pages.signing_in import DEAD_CHALLENGE
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of

# Everyone with a verified address has the role `member`.
_POLICY = signed_in(role=Role.MEMBER, query=None, budget=Limit.FACTOR_CHANGE, fresh=Fresh.ALWAYS, enrolling=True)


@show("/account/passkeys/new", policy=_POLICY)
async def new_passkey(request: AnyRequest, passkey_options: NamedDependency[PasskeyOptions]) -> Response[Any]:
    return await _passkey_form(request, passkey_options)


@submit("/account/passkeys/new", policy=_POLICY)
async def add_new_passkey(
    request: AnyRequest,
    add_passkey: NamedDependency[AddPasskey],
    passkey_options: NamedDependency[PasskeyOptions],
) -> Response[Any]:
    form = await request.form()
    name = text_of(form, "name")
    try:
        enrolled = await add_passkey(
            caller_of(request),
            challenge=text_of(form, "challenge"),
            credential=_credential(text_of(form, "credential")),
            name=name or texts_of(request).gettext(translatable("Passkey")),
            client_info=client_info_of(request),
        )
    except Refusal as refusal:
        return await _passkey_form(request, passkey_options, refusal=refusal, name=name)
    return _added(request, enrolled)


@show("/account/totp", policy=_POLICY)
async def new_totp(request: AnyRequest, totp_options: NamedDependency[TotpOptions]) -> Response[Any]:
    new = await totp_options(caller_of(request))
    return framed(request, "account_totp.html", here="account", new=new, wrong=False)


@submit("/account/totp", policy=_POLICY)
async def add_new_totp(
    request: AnyRequest, add_totp: NamedDependency[AddTotp], totp_options: NamedDependency[TotpOptions]
) -> Response[Any]:
    form = await request.form()
    challenge, code = text_of(form, "challenge"), text_of(form, "code")
    name = texts_of(request).gettext(translatable("Authenticator app"))
    try:
        enrolled = await add_totp(
            caller_of(request), challenge=challenge, code=code, name=name, client_info=client_info_of(request)
        )
    except Refusal as refusal:
        caller, wrong = caller_of(request), refusal.code is ErrorCode.FACTOR_INVALID
        over = refusal.code in DEAD_CHALLENGE
        new = await (totp_options(caller) if over else totp_options.again(caller, challenge))
        return framed(request, "account_totp.html", here="account", refusal=refusal, new=new, wrong=wrong)
    return _added(request, enrolled)


def _added(request: AnyRequest, enrolled: EnrolledFactor) -> Response[Any]:
    if enrolled.recovery_codes is None:
        return redirect(request, "account/factors?done=factor_added")
    return codes_once(request, enrolled.recovery_codes, first=True)


async def _passkey_form(
    request: AnyRequest, passkey_options: PasskeyOptions, *, refusal: Refusal | None = None, name: str = ""
) -> Response[Any]:
    challenge, options = await passkey_options(caller_of(request))
    values = {"challenge": challenge, "options": json.dumps(dict(options)), "name": name}
    return framed(request, "account_passkey.html", here="account", refusal=refusal, **values)


def _credential(text: str) -> dict[str, Any]:
    """What the script of the page sends. Anything else is a credential that does not verify."""
    try:
        credential = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return credential if isinstance(credential, dict) else {}


handlers = [new_passkey, add_new_passkey, new_totp, add_new_totp]
