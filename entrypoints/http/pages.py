"""The pages behind the links in mails. Looking changes nothing, for mail scanners look too; only the button does."""

from typing import Any

from litestar import Request, Response, post, route
from litestar.di import NamedDependency

from application.ask_for_link import AskForLink
from application.follow_email_link import FollowEmailLink
from application.reset_password import ResetPassword
from application.verify import Verify
from domain.mail import Purpose
from domain.origin import Origin
from domain.password import PasswordPolicy
from domain.refusals import Code, Refusal
from entrypoints.http.guard import anybody
from entrypoints.http.html import page
from entrypoints.http.problems import CATALOGUE
from entrypoints.http.reading import AnyRequest, origin_of


def _token(said: Any) -> str:
    return str(said.get("token") or "")


@route("/verify", http_method=["GET", "HEAD"], guards=anybody(query=None), include_in_schema=False)
async def ask_to_verify(request: Request[Any, Any, Any]) -> Response[str]:
    return page("verify.html", token=_token(request.query_params))


@post("/verify", guards=anybody(query=None), status_code=200, include_in_schema=False)
async def verify_by_button(request: AnyRequest, verify: NamedDependency[Verify]) -> Response[str]:
    form = await request.form()
    try:
        await verify(token=_token(form), origin=origin_of(request))
    except Refusal as refusal:
        return _refused(refusal)
    return page("said.html", heading="Your address is confirmed", text="You can close this page and log in.")


@route("/reset", http_method=["GET", "HEAD"], guards=anybody(query=None), include_in_schema=False)
async def ask_to_reset(request: Request[Any, Any, Any], policy: NamedDependency[PasswordPolicy]) -> Response[str]:
    token = _token(request.query_params)
    if not token:
        return page("forgot.html", complaint="")
    return page("reset.html", token=token, complaint="", min_length=policy.min_length)


@post("/reset", guards=anybody(query=None), status_code=200, include_in_schema=False)
async def reset_by_button(
    request: AnyRequest,
    reset_password: NamedDependency[ResetPassword],
    ask_for_reset: NamedDependency[AskForLink],
    policy: NamedDependency[PasswordPolicy],
) -> Response[str]:
    form = await request.form()
    if "token" not in form:
        return await _send_link(str(form.get("email") or ""), origin_of(request), ask_for_reset)
    passwords = {name: str(form.get(name) or "") for name in ("new_password", "confirm_password")}
    try:
        await reset_password(token=_token(form), **passwords, origin=origin_of(request))
    except Refusal as refusal:
        if refusal.field is None:
            return _refused(refusal)
        status = CATALOGUE[refusal.code][0]
        return page(
            "reset.html", status=status, token=_token(form), complaint=refusal.detail, min_length=policy.min_length
        )
    return page("said.html", heading="Your password is set", text="You have been logged out everywhere. Log in anew.")


@route("/email", http_method=["GET", "HEAD"], guards=anybody(query=None), include_in_schema=False)
async def ask_about_address(
    request: Request[Any, Any, Any], follow_email_link: NamedDependency[FollowEmailLink]
) -> Response[str]:
    token = _token(request.query_params)
    return page("email.html", token=token, purpose=follow_email_link.purpose(token))


@post("/email", guards=anybody(query=None), status_code=200, include_in_schema=False)
async def follow_by_button(request: AnyRequest, follow_email_link: NamedDependency[FollowEmailLink]) -> Response[str]:
    form = await request.form()
    token = _token(form)
    try:
        await follow_email_link(token=token, origin=origin_of(request))
    except Refusal as refusal:
        return _refused(refusal)
    if follow_email_link.purpose(token) is Purpose.RESTORE:
        text = "Everybody has been logged out. Look into your mailbox for a link to choose a new password."
        return page("said.html", heading="Your address is restored", text=text)
    return page("said.html", heading="Your address is changed", text="You can close this page.")


async def _send_link(email: str, origin: Origin, ask_for_reset: AskForLink) -> Response[str]:
    try:
        await ask_for_reset(email=email, origin=origin)
    except Refusal as refusal:
        if refusal.field is None:
            return _refused(refusal)
        return page("forgot.html", status=CATALOGUE[refusal.code][0], complaint=refusal.detail)
    return page("said.html", heading="Look into your mailbox", text="If you have an account, a link is on its way.")


def _refused(refusal: Refusal) -> Response[str]:
    status, title = CATALOGUE[refusal.code]
    text = refusal.detail or "Try again in a moment."
    if refusal.code is Code.LINK_INVALID:
        text = "It may have been used, or another has taken its place. Ask for a new one."
    answer = page("said.html", status=status, heading=title, text=text)
    if refusal.retry_after is not None:
        answer.headers["Retry-After"] = str(refusal.retry_after)
    return answer


handlers = [ask_to_verify, verify_by_button, ask_to_reset, reset_by_button, ask_about_address, follow_by_button]
