"""The users, for those who look after them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, Struct, UnsetType

from application.administer import ChangeUser, DeleteUser, EndSessions
from application.list_users import ListUsers, ShowUser
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.token import AccessToken
from entrypoints.http.guard import at_least
from entrypoints.http.problems import refusals
from entrypoints.http.shapes import UserShape

_WATCHED = refusals("token_missing", "not_verified", "role_required")


class UserPage(Struct, frozen=True):
    items: list[UserShape]
    next_cursor: str | None


class ChangeUserBody(Struct, frozen=True, forbid_unknown_fields=True):
    role: Role | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


@get("/users", guards=at_least(Role.MODERATOR, query={"query", "role", "limit", "cursor"}), responses=_WATCHED)
async def browse(
    list_users: NamedDependency[ListUsers],
    start: Annotated[str, QueryParameter(name="query", max_length=254)] = "",
    role: FromQuery[Role | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> UserPage:
    """Users, oldest first, whose address or username starts with `query`."""
    page, following = await list_users(
        query=start, role=role, limit=limit, after=None if cursor is None else _from_cursor(cursor)
    )
    return UserPage([UserShape.of(user) for user in page], None if following is None else _to_cursor(following))


@get(
    "/users/{user_id:uuid}",
    guards=at_least(Role.MODERATOR),
    responses=refusals("token_missing", "not_verified", "role_required", "not_found"),
)
async def show(user_id: FromPath[UUID], show_user: NamedDependency[ShowUser]) -> UserShape:
    """One user."""
    return UserShape.of(await show_user(user_id))


@patch(
    "/users/{user_id:uuid}",
    guards=at_least(Role.ADMIN),
    responses=refusals("token_missing", "not_verified", "role_required", "forbidden", "not_found", "last_admin"),
)
async def change(
    user_id: FromPath[UUID],
    data: JSONBody[ChangeUserBody],
    caller: NamedDependency[AccessToken],
    change_user: NamedDependency[ChangeUser],
) -> UserShape:
    """Grant a role, disable or enable. It is in force when the answer comes."""
    if data.role is UNSET and data.disabled is UNSET:
        raise Refusal(Code.MALFORMED, "Say what to change: role or disabled.")
    changed = await change_user(
        caller,
        user_id,
        role=None if data.role is UNSET else data.role,
        disabled=None if data.disabled is UNSET else data.disabled,
    )
    return UserShape.of(changed)


@post(
    "/users/{user_id:uuid}/logout",
    guards=at_least(Role.MODERATOR),
    status_code=204,
    responses=refusals("token_missing", "not_verified", "role_required", "forbidden", "not_found"),
)
async def log_out(
    user_id: FromPath[UUID], caller: NamedDependency[AccessToken], end_sessions: NamedDependency[EndSessions]
) -> None:
    """End every session of a user."""
    await end_sessions(caller, user_id)


@delete(
    "/users/{user_id:uuid}",
    guards=at_least(Role.ADMIN),
    responses=refusals("token_missing", "not_verified", "role_required", "forbidden", "not_found", "last_admin"),
)
async def remove(
    user_id: FromPath[UUID], caller: NamedDependency[AccessToken], delete_user: NamedDependency[DeleteUser]
) -> None:
    """Remove a user, with everything that could still speak for them."""
    await delete_user(caller, user_id)


def _to_cursor(user_id: UUID) -> str:
    return urlsafe_b64encode(user_id.bytes).decode().rstrip("=")


def _from_cursor(cursor: str) -> UUID:
    try:
        found = UUID(bytes=urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except ValueError:
        found = None
    if found is None or _to_cursor(found) != cursor:
        raise Refusal(Code.MALFORMED, "This cursor was not given out here.", field="cursor")
    return found


handlers = [browse, show, change, log_out, remove]
