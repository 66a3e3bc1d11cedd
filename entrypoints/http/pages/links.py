"""The pages behind mailed links. Opening a page changes nothing, because mail scanners do so too; its button does."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.credentials.inspect_link import InspectLink
from application.credentials.request_link import RequestLink
from application.credentials.reset_password import ResetPassword
from application.profile.follow_email_link import FollowEmailLink
from application.registration.verify import Verify
from domain.messages import translatable
from domain.outbox import LinkPurpose
from domain.password import PasswordPolicy
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import public
from entrypoints.http.pages.html import page
from entrypoints.http.pages.results import ASK, ask, dead_link, done, form_again, mailed, refused
from entrypoints.http.request import AnyRequest, client_info_of, text_of


@show("/verify", policy=public(query=None))
async def ask_to_verify(request: AnyRequest, inspect_link: NamedDependency[InspectLink]) -> Response[str]:
    token = text_of(request.query_params, "token")
    if not token:
        return ask(request, "verify")
    try:
        await inspect_link(token=token, purpose=LinkPurpose.VERIFY)
    except Refusal as refusal:
        return refused(request, refusal, token=token, seen=True)
    return page(request, "verify.html", token=token)


@submit("/verify", policy=public(query=None, budget=Limit.LINK))
async def verify_by_button(
    request: AnyRequest, verify: NamedDependency[Verify], request_verification: NamedDependency[RequestLink]
) -> Response[str]:
    form = await request.form()
    if "token" not in form:
        return await _send_link(request, "verify", text_of(form, "email"), request_verification)
    try:
        user = await verify(token=text_of(form, "token"), client_info=client_info_of(request))
    except Refusal as refusal:
        return refused(request, refusal, token=text_of(form, "token"))
    if not user.has_password:
        text = translatable("Check your mailbox for a link to choose a password.")
        return done(request, translatable("Your e-mail address is verified"), text)
    return done(
        request, translatable("Your e-mail address is verified"), translatable("You can now use your account.")
    )


@show("/reset", policy=public(query=None))
async def ask_to_reset(
    request: AnyRequest, inspect_link: NamedDependency[InspectLink], policy: NamedDependency[PasswordPolicy]
) -> Response[str]:
    token = text_of(request.query_params, "token")
    if not token:
        return ask(request, "reset")
    try:
        return await _choose_password(request, token, inspect_link, policy)
    except Refusal as refusal:
        return refused(request, refusal, token=token, seen=True)


@submit("/reset", policy=public(query=None, budget=Limit.LINK))
async def reset_by_button(
    request: AnyRequest,
    reset_password: NamedDependency[ResetPassword],
    request_reset: NamedDependency[RequestLink],
    inspect_link: NamedDependency[InspectLink],
    policy: NamedDependency[PasswordPolicy],
) -> Response[str]:
    form = await request.form()
    if "token" not in form:
        return await _send_link(request, "reset", text_of(form, "email"), request_reset)
    passwords = {name: text_of(form, name) for name in ("new_password", "confirm_password")}
    try:
        await reset_password(token=text_of(form, "token"), **passwords, client_info=client_info_of(request))
    except Refusal as refusal:
        if refusal.field is None:
            return refused(request, refusal, token=text_of(form, "token"))
        try:
            return await _choose_password(request, text_of(form, "token"), inspect_link, policy, refusal)
        except Refusal as dead:
            return refused(request, dead, token=text_of(form, "token"))
    text = translatable("Every device was signed out. Sign in with your new password.")
    return done(request, translatable("Your password is changed"), text)


@show("/email", policy=public(query=None))
async def ask_about_address(
    request: AnyRequest,
    follow_email_link: NamedDependency[FollowEmailLink],
    inspect_link: NamedDependency[InspectLink],
) -> Response[str]:
    token = text_of(request.query_params, "token")
    purpose = follow_email_link.purpose(token)
    if purpose is None:
        return dead_link(request, ErrorCode.LINK_INVALID, status=200)
    try:
        await inspect_link(token=token, purpose=purpose)
    except Refusal as refusal:
        return refused(request, refusal, token=token, seen=True)
    return page(request, "email.html", token=token, purpose=purpose)


@submit("/email", policy=public(query=None, budget=Limit.LINK))
async def follow_by_button(request: AnyRequest, follow_email_link: NamedDependency[FollowEmailLink]) -> Response[str]:
    form = await request.form()
    token = text_of(form, "token")
    try:
        await follow_email_link(token=token, client_info=client_info_of(request))
    except Refusal as refusal:
        return refused(request, refusal, token=token)
    if follow_email_link.purpose(token) is LinkPurpose.RESTORE:
        text = translatable("Every device was signed out. Check your mailbox for a link to choose a new password.")
        return done(request, translatable("You have your account back"), text)
    return done(
        request,
        translatable("Your e-mail address is changed"),
        translatable("From now on, sign in with the new address."),
    )


async def _choose_password(
    request: AnyRequest,
    token: str,
    inspect_link: InspectLink,
    policy: PasswordPolicy,
    refusal: Refusal | None = None,
) -> Response[str]:
    """The page shows the address of the account, because password managers save the password under it."""
    user = await inspect_link(token=token, purpose=LinkPurpose.RESET)
    shown: dict[str, Any] = {
        "token": token,
        "username": "" if user is None else user.email,
        "mismatch": refusal is not None and refusal.code is ErrorCode.PASSWORD_MISMATCH,
        "min_length": policy.min_length,
        "max_length": policy.max_length,
    }
    if refusal is not None:
        return form_again(request, refusal, "reset.html", **shown)
    return page(request, "reset.html", error="", **shown)


async def _send_link(request: AnyRequest, path: str, email: str, request_link: RequestLink) -> Response[str]:
    try:
        await request_link(email=email, client_info=client_info_of(request))
    except Refusal as refusal:
        if refusal.field is None:
            return refused(request, refusal)
        return ask(request, path, refusal=refusal, email=email)
    return mailed(request, ASK[path].sent)


handlers = [ask_to_verify, verify_by_button, ask_to_reset, reset_by_button, ask_about_address, follow_by_button]
