"""The page behind the link of an invitation. Looking changes nothing; the button creates the account."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.invitations.accept_invitation import AcceptInvitation
from application.invitations.inspect_invitation import InspectInvitation
from domain.messages import translatable
from domain.password import PasswordPolicy
from domain.rate_limits import Limit
from domain.refusals import Refusal
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import public
from entrypoints.http.pages.explain import field_errors
from entrypoints.http.pages.html import page
from entrypoints.http.pages.results import done, form_again, refused
from entrypoints.http.request import AnyRequest, client_info_of, text_of


@show("/invitation", policy=public(query=None))
async def ask_to_accept(
    request: AnyRequest,
    inspect_invitation: NamedDependency[InspectInvitation],
    policy: NamedDependency[PasswordPolicy],
) -> Response[str]:
    token = text_of(request.query_params, "token")
    try:
        return await _form(request, token, inspect_invitation, policy)
    except Refusal as refusal:
        return refused(request, refusal, token=token, seen=True)


@submit("/invitation", policy=public(query=None, budget=Limit.LINK))
async def accept_by_button(
    request: AnyRequest,
    accept_invitation: NamedDependency[AcceptInvitation],
    inspect_invitation: NamedDependency[InspectInvitation],
    policy: NamedDependency[PasswordPolicy],
) -> Response[str]:
    form = await request.form()
    token, password, username = (text_of(form, name) for name in ("token", "password", "username"))
    try:
        await accept_invitation(
            token=token, password=password, username=username or None, client_info=client_info_of(request)
        )
    except Refusal as refusal:
        if refusal.field is None:
            return refused(request, refusal, token=token)
        try:
            return await _form(request, token, inspect_invitation, policy, username=username, refusal=refusal)
        except Refusal as dead:
            return refused(request, dead, token=token)
    return done(
        request,
        translatable("Your account is ready"),
        translatable("Sign in with your e-mail address and your password."),
    )


async def _form(
    request: AnyRequest,
    token: str,
    inspect_invitation: InspectInvitation,
    policy: PasswordPolicy,
    *,
    username: str = "",
    refusal: Refusal | None = None,
) -> Response[str]:
    """The page shows the address, because password managers save the password under it."""
    invitation = await inspect_invitation(token=token)
    shown: dict[str, Any] = {
        "token": token,
        "email": invitation.email,
        "username": username,
        "errors": {} if refusal is None else field_errors(request, refusal),
        "min_length": policy.min_length,
        "max_length": policy.max_length,
    }
    if refusal is not None:
        return form_again(request, refusal, "invitation.html", **shown)
    return page(request, "invitation.html", **shown)


handlers = [ask_to_accept, accept_by_button]
