"""Send, list and revoke invitations."""

from typing import Any
from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency

from application.invitations.invite import Invite
from application.invitations.list_invitations import ListInvitations
from application.invitations.revoke_invitation import RevokeInvitation
from application.invitations.show_invitation import ShowInvitation
from application.ports import Clock
from application.repositories import PageCursor
from domain.invitation import InvitationStatus
from domain.messages import translatable
from domain.rate_limits import Limit
from domain.refusals import Refusal
from domain.role import Role
from entrypoints.http.cursors import cursor_of, place_of
from entrypoints.http.endpoint import show, submit
from entrypoints.http.fields import InvitationIdInPath
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.html import redirect, texts_of
from entrypoints.http.pages.users.shown import ON_A_PAGE, parameter, role_of, users_page
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of

STATUS = {
    InvitationStatus.OPEN: translatable("Open"),
    InvitationStatus.ACCEPTED: translatable("Accepted"),
    InvitationStatus.REVOKED: translatable("Revoked"),
    InvitationStatus.EXPIRED: translatable("Expired"),
}
_REVOKE = "/users/invitations/{invitation_id:uuid}/revoke"


@show("/users/invitations", policy=signed_in(role=Role.MODERATOR, query={"cursor", "done"}))
async def invitations(
    request: AnyRequest, list_invitations: NamedDependency[ListInvitations], clock: NamedDependency[Clock]
) -> Response[Any]:
    return await _list(request, list_invitations, clock)


@submit(
    "/users/invitations",
    policy=signed_in(role=Role.MODERATOR, budget=Limit.INVITE, fresh=Fresh.NOT_NEEDED),
)
async def send_invitation(
    request: AnyRequest,
    invite: NamedDependency[Invite],
    list_invitations: NamedDependency[ListInvitations],
    clock: NamedDependency[Clock],
) -> Response[Any]:
    form = await request.form()
    email, role = text_of(form, "email"), str(form.get("role") or Role.MEMBER)
    try:
        await invite(caller_of(request), email=email, role=role_of(role), client_info=client_info_of(request))
    except Refusal as refusal:
        return await _list(request, list_invitations, clock, refusal=refusal, email=email, role=role)
    return redirect(request, "users/invitations?done=invited")


@show(_REVOKE, policy=signed_in(role=Role.MODERATOR))
async def ask_to_revoke(
    invitation_id: InvitationIdInPath, request: AnyRequest, show_invitation: NamedDependency[ShowInvitation]
) -> Response[Any]:
    return await _ask(request, invitation_id, show_invitation)


@submit(_REVOKE, policy=signed_in(role=Role.MODERATOR, budget=Limit.ADMINISTER, fresh=Fresh.NOT_NEEDED))
async def revoke(
    invitation_id: InvitationIdInPath,
    request: AnyRequest,
    revoke_invitation: NamedDependency[RevokeInvitation],
    show_invitation: NamedDependency[ShowInvitation],
) -> Response[Any]:
    try:
        await revoke_invitation(caller_of(request), invitation_id, client_info=client_info_of(request))
    except Refusal as refusal:
        return await _ask(request, invitation_id, show_invitation, refusal=refusal)
    return redirect(request, "users/invitations?done=invitation_revoked")


async def _list(
    request: AnyRequest,
    list_invitations: ListInvitations,
    clock: Clock,
    *,
    refusal: Refusal | None = None,
    email: str = "",
    role: str = Role.MEMBER,
) -> Response[Any]:
    cursor = parameter(request, "cursor")
    after = place_of(cursor).id if cursor else None
    found, following = await list_invitations(limit=ON_A_PAGE, after=after)
    now, texts = clock(), texts_of(request)
    return users_page(
        request,
        "users_invitations.html",
        tab="invitations",
        refusal=refusal,
        email=email,
        role=role,
        invitations=[
            (invitation, status is InvitationStatus.OPEN, texts.gettext(STATUS[status]))
            for invitation in found
            for status in [invitation.status(now)]
        ],
        cursor=cursor,
        following="" if following is None else cursor_of(PageCursor(following)),
    )


async def _ask(
    request: AnyRequest, invitation_id: UUID, show_invitation: ShowInvitation, *, refusal: Refusal | None = None
) -> Response[Any]:
    invitation = await show_invitation(invitation_id)
    return users_page(request, "users_revoke.html", tab="invitations", refusal=refusal, invitation=invitation)


handlers = [invitations, send_invitation, ask_to_revoke, revoke]
