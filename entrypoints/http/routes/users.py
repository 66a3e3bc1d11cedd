"""User administration, for moderators and admins."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, Struct, UnsetType

from application.administration.admin_revoke_sessions import AdminRevokeSessions
from application.administration.change_user import ChangeUser
from application.administration.delete_user import DeleteUser
from application.administration.list_users import ListUsers
from application.administration.show_user import ShowUser
from domain import rate_limits
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from entrypoints.http.cursors import cursor_of, place_of
from entrypoints.http.endpoint import delete, get, patch, post
from entrypoints.http.fields import Cursor, Limit, NextCursor, UserIdInPath, documented
from entrypoints.http.guard import Fresh, requires_role
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.schemas import UserResponse

_QUERY = "The beginning of an e-mail address or a username."


class UserPage(Struct, frozen=True):
    items: list[UserResponse]
    next_cursor: NextCursor


class ChangeUserBody(Struct, frozen=True, forbid_unknown_fields=True):
    role: Role | UnsetType = UNSET
    disabled: Annotated[bool, documented("Disabling ends every session of the user.")] | UnsetType = UNSET


@get(
    "/users",
    operation_id="listUsers",
    summary="List users",
    tag="Users",
    policy=requires_role(Role.MODERATOR, query={"query", "role", "limit", "cursor"}),
)
async def browse(
    list_users: NamedDependency[ListUsers],
    start: Annotated[str, QueryParameter(name="query", max_length=254, description=_QUERY)] = "",
    role: FromQuery[Role | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> UserPage:
    """Users whose e-mail address or username starts with `query`, sorted by it. Without `query`, oldest first."""
    page, following = await list_users(
        query=start, role=role, limit=limit, after=None if cursor is None else place_of(cursor, start)
    )
    return UserPage([UserResponse.of(user) for user in page], None if following is None else cursor_of(following))


@get(
    "/users/{user_id:uuid}",
    operation_id="getUser",
    summary="Get a user",
    tag="Users",
    policy=requires_role(Role.MODERATOR),
    errors=["not_found"],
)
async def show(user_id: UserIdInPath, show_user: NamedDependency[ShowUser]) -> UserResponse:
    """One user by id."""
    return UserResponse.of(await show_user(user_id))


@patch(
    "/users/{user_id:uuid}",
    operation_id="updateUser",
    summary="Change a role, disable or enable a user",
    tag="Users",
    policy=requires_role(Role.ADMIN, budget=rate_limits.Limit.ADMINISTER, fresh=Fresh.WITH_FACTOR),
    errors=["forbidden", "not_found", "last_admin"],
)
async def change(
    user_id: UserIdInPath,
    data: JSONBody[ChangeUserBody],
    request: AnyRequest,
    change_user: NamedDependency[ChangeUser],
) -> UserResponse:
    """Change the role of a user, disable or enable it. Takes effect before the response is sent."""
    if data.role is UNSET and data.disabled is UNSET:
        raise Refusal(ErrorCode.MALFORMED, "Specify what to change: role, disabled or both.")
    changed = await change_user(
        caller_of(request),
        user_id,
        role=None if data.role is UNSET else data.role,
        disabled=None if data.disabled is UNSET else data.disabled,
        client_info=client_info_of(request),
    )
    return UserResponse.of(changed)


@post(
    "/users/{user_id:uuid}/logout",
    operation_id="logOutUser",
    summary="End every session of a user",
    tag="Users",
    policy=requires_role(Role.MODERATOR, budget=rate_limits.Limit.ADMINISTER, fresh=Fresh.NOT_NEEDED),
    status_code=204,
    errors=["forbidden", "not_found"],
)
async def log_out(
    user_id: UserIdInPath, request: AnyRequest, admin_revoke_sessions: NamedDependency[AdminRevokeSessions]
) -> None:
    """End all sessions of a user."""
    await admin_revoke_sessions(caller_of(request), user_id, client_info=client_info_of(request))


@delete(
    "/users/{user_id:uuid}",
    operation_id="deleteUser",
    summary="Delete a user",
    tag="Users",
    policy=requires_role(Role.ADMIN, budget=rate_limits.Limit.ADMINISTER, fresh=Fresh.WITH_FACTOR),
    errors=["forbidden", "not_found", "last_admin"],
)
async def remove(user_id: UserIdInPath, request: AnyRequest, delete_user: NamedDependency[DeleteUser]) -> None:
    """Delete a user permanently, with all sessions and links."""
    await delete_user(caller_of(request), user_id, client_info=client_info_of(request))


handlers = [browse, show, change, log_out, remove]
