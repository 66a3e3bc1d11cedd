"""Actions of moderators and admins on a user. A page asks first; its button acts."""

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency

from application.administration.admin_revoke_sessions import AdminRevokeSessions
from application.administration.change_user import ChangeUser
from application.administration.delete_user import DeleteUser
from application.administration.show_user import ShowUser
from application.factors.reset_factors import ResetFactors
from domain.rate_limits import Limit
from domain.refusals import Refusal
from domain.role import Role
from entrypoints.http.endpoint import show, submit
from entrypoints.http.fields import UserIdInPath
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.html import redirect
from entrypoints.http.pages.users.shown import role_of, users_page
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of

_USER = "/users/{user_id:uuid}"
_CHANGES = [f"{_USER}/role", f"{_USER}/disable", f"{_USER}/enable", f"{_USER}/delete"]
_CHANGING = signed_in(role=Role.ADMIN, budget=Limit.ADMINISTER, fresh=Fresh.WITH_FACTOR)

ShownUser = NamedDependency[ShowUser]


@show(_CHANGES, policy=signed_in(role=Role.ADMIN, fresh=Fresh.WITH_FACTOR))
async def ask_to_change(user_id: UserIdInPath, request: AnyRequest, show_user: ShownUser) -> Response[Any]:
    """Asks for a step-up before the act, so that the act does not have to be repeated after it."""
    return await _ask(request, user_id, show_user)


@show(f"{_USER}/reset-factors", policy=signed_in(role=Role.ADMIN, fresh=Fresh.ALWAYS))
async def ask_to_reset(user_id: UserIdInPath, request: AnyRequest, show_user: ShownUser) -> Response[Any]:
    return await _ask(request, user_id, show_user)


@show(f"{_USER}/sign-out", policy=signed_in(role=Role.MODERATOR))
async def ask_to_sign_out(user_id: UserIdInPath, request: AnyRequest, show_user: ShownUser) -> Response[Any]:
    return await _ask(request, user_id, show_user)


@submit(f"{_USER}/role", policy=_CHANGING)
async def change_role(
    user_id: UserIdInPath, request: AnyRequest, change_user: NamedDependency[ChangeUser], show_user: ShownUser
) -> Response[Any]:
    wanted = text_of(await request.form(), "role")

    async def change() -> None:
        await change_user(caller_of(request), user_id, role=role_of(wanted), client_info=client_info_of(request))

    return await _act(request, user_id, show_user, change(), done=f"users/{user_id}?done=role", role=wanted)


@submit([f"{_USER}/disable", f"{_USER}/enable"], policy=_CHANGING)
async def disable_or_enable(
    user_id: UserIdInPath, request: AnyRequest, change_user: NamedDependency[ChangeUser], show_user: ShownUser
) -> Response[Any]:
    disabled = _named(request) == "disable"
    act = change_user(caller_of(request), user_id, disabled=disabled, client_info=client_info_of(request))
    done = "disabled" if disabled else "enabled"
    return await _act(request, user_id, show_user, act, done=f"users/{user_id}?done={done}")


@submit(
    f"{_USER}/sign-out",
    policy=signed_in(role=Role.MODERATOR, budget=Limit.ADMINISTER, fresh=Fresh.NOT_NEEDED),
)
async def sign_out_everywhere(
    user_id: UserIdInPath,
    request: AnyRequest,
    admin_revoke_sessions: NamedDependency[AdminRevokeSessions],
    show_user: ShownUser,
) -> Response[Any]:
    act = admin_revoke_sessions(caller_of(request), user_id, client_info=client_info_of(request))
    return await _act(request, user_id, show_user, act, done=f"users/{user_id}?done=user_signed_out")


@submit(
    f"{_USER}/reset-factors",
    policy=signed_in(role=Role.ADMIN, budget=Limit.ADMINISTER, fresh=Fresh.ALWAYS),
)
async def reset_all_factors(
    user_id: UserIdInPath, request: AnyRequest, reset_factors: NamedDependency[ResetFactors], show_user: ShownUser
) -> Response[Any]:
    act = reset_factors(caller_of(request), user_id, client_info=client_info_of(request))
    return await _act(request, user_id, show_user, act, done=f"users/{user_id}?done=factors_reset")


@submit(f"{_USER}/delete", policy=_CHANGING)
async def delete(
    user_id: UserIdInPath, request: AnyRequest, delete_user: NamedDependency[DeleteUser], show_user: ShownUser
) -> Response[Any]:
    act = delete_user(caller_of(request), user_id, client_info=client_info_of(request))
    return await _act(request, user_id, show_user, act, done="users?done=user_deleted")


def _named(request: AnyRequest) -> str:
    """The act, which is the end of the path."""
    return str(request.scope["path"]).rpartition("/")[2]


async def _ask(
    request: AnyRequest, user_id: UUID, show_user: ShowUser, *, refusal: Refusal | None = None, role: str = ""
) -> Response[Any]:
    user = await show_user(user_id)
    values = {"user": user, "act": _named(request), "role": role or user.role}
    return users_page(request, "users_act.html", tab="users", refusal=refusal, **values)


async def _act(
    request: AnyRequest, user_id: UUID, show_user: ShowUser, act: Awaitable[object], *, done: str, role: str = ""
) -> Response[Any]:
    """Do it and redirect to `done`, or ask again and show what was refused."""
    try:
        await act
    except Refusal as refusal:
        return await _ask(request, user_id, show_user, refusal=refusal, role=role)
    return redirect(request, done)


handlers = [
    *(ask_to_change, ask_to_reset, ask_to_sign_out),
    *(change_role, disable_or_enable, sign_out_everywhere, reset_all_factors, delete),
]
