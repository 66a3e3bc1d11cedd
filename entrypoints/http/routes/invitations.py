"""Invitations: send, list and revoke them, and create an account by one."""

from datetime import datetime
from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, Struct, UnsetType

from application.invitations.accept_invitation import AcceptInvitation
from application.invitations.invite import Invite
from application.invitations.list_invitations import ListInvitations
from application.invitations.revoke_invitation import RevokeInvitation
from application.ports import Clock
from application.repositories import PageCursor
from domain import rate_limits
from domain.invitation import Invitation, InvitationStatus
from domain.role import Role
from entrypoints.http.cursors import cursor_of, place_of
from entrypoints.http.endpoint import delete, get, post
from entrypoints.http.fields import (
    Cursor,
    Email,
    InvitationIdInPath,
    Limit,
    LinkToken,
    NewPassword,
    NextCursor,
    RowId,
    Timestamp,
    UserId,
    Username,
    documented,
)
from entrypoints.http.guard import Fresh, public, requires_role
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.schemas import UserResponse


class InvitationResponse(Struct, frozen=True, kw_only=True):
    """`user_id` is the user who accepted it. An invitation that a newer one has replaced is `revoked`."""

    id: RowId
    email: Email
    role: Role
    status: InvitationStatus
    invited_by: UserId
    created_at: Annotated[datetime, Timestamp]
    expires_at: Annotated[datetime, Timestamp]
    user_id: UserId | None

    @classmethod
    def of(cls, invitation: Invitation, now: datetime) -> "InvitationResponse":
        return cls(
            id=invitation.id,
            email=invitation.email,
            role=invitation.role,
            status=invitation.status(now),
            invited_by=invitation.invited_by,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
            user_id=invitation.user_id,
        )


class InvitationPage(Struct, frozen=True):
    items: list[InvitationResponse]
    next_cursor: NextCursor


class InviteBody(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    role: Annotated[Role, documented("`member` if left out. Moderators can invite members only.")] | UnsetType = UNSET


class AcceptInvitationBody(Struct, frozen=True, forbid_unknown_fields=True):
    token: LinkToken
    password: NewPassword
    username: Username | None = None


@post(
    "/invitations",
    operation_id="invite",
    summary="Invite a person",
    tag="Invitations",
    policy=requires_role(Role.MODERATOR, budget=rate_limits.Limit.INVITE, fresh=Fresh.NOT_NEEDED),
    status_code=201,
    errors=["registration_closed", "email_invalid", "email_taken", "forbidden", "step_up_required"],
)
async def send_invitation(
    data: JSONBody[InviteBody],
    request: AnyRequest,
    invite: NamedDependency[Invite],
    clock: NamedDependency[Clock],
) -> InvitationResponse:
    """Mail an invitation to create an account. It is valid for 7 days, and replaces an earlier one to the address. A
    role above `member` requires the role `admin`, and a fresh authentication if the caller has a factor."""
    role = Role.MEMBER if data.role is UNSET else data.role
    sent = await invite(caller_of(request), email=data.email, role=role, client_info=client_info_of(request))
    return InvitationResponse.of(sent, clock())


@get(
    "/invitations",
    operation_id="listInvitations",
    summary="List invitations",
    tag="Invitations",
    policy=requires_role(Role.MODERATOR, query={"limit", "cursor"}),
)
async def browse(
    list_invitations: NamedDependency[ListInvitations],
    clock: NamedDependency[Clock],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> InvitationPage:
    """All invitations of the last 30 days, newest first."""
    page, following = await list_invitations(limit=limit, after=None if cursor is None else place_of(cursor).id)
    next_cursor = None if following is None else cursor_of(PageCursor(following))
    return InvitationPage([InvitationResponse.of(invitation, clock()) for invitation in page], next_cursor)


@delete(
    "/invitations/{invitation_id:uuid}",
    operation_id="revokeInvitation",
    summary="Revoke an invitation",
    tag="Invitations",
    policy=requires_role(Role.MODERATOR, budget=rate_limits.Limit.ADMINISTER, fresh=Fresh.NOT_NEEDED),
    errors=["forbidden", "not_found"],
)
async def revoke(
    invitation_id: InvitationIdInPath, request: AnyRequest, revoke_invitation: NamedDependency[RevokeInvitation]
) -> None:
    """Revoke an invitation that was not accepted yet. Its link stops working."""
    await revoke_invitation(caller_of(request), invitation_id, client_info=client_info_of(request))


@post(
    "/invitations/accept",
    operation_id="acceptInvitation",
    summary="Accept an invitation",
    tag="Invitations",
    policy=public(budget=rate_limits.Limit.LINK),
    status_code=200,
    errors=[
        *("registration_closed", "link_invalid", "link_expired"),
        *("username_invalid", "username_taken", "password_weak", "overloaded"),
    ],
)
async def accept(
    data: JSONBody[AcceptInvitationBody], request: AnyRequest, accept_invitation: NamedDependency[AcceptInvitation]
) -> UserResponse:
    """Create a verified account with the token of the mailed link, which works once."""
    user = await accept_invitation(
        token=data.token, password=data.password, username=data.username, client_info=client_info_of(request)
    )
    return UserResponse.of(user)


handlers = [send_invitation, browse, revoke, accept]
