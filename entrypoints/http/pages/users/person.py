"""One user, and the user's activity."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency

from application.administration.list_events import ListEvents
from application.administration.show_user import ShowUser
from application.repositories import PageCursor
from domain.audit import AuditEvent
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.user import User
from entrypoints.http.cursors import cursor_of, place_of
from entrypoints.http.endpoint import show
from entrypoints.http.fields import UserIdInPath
from entrypoints.http.guard import signed_in
from entrypoints.http.pages.event_texts import EVENTS
from entrypoints.http.pages.users.shown import ON_A_PAGE, parameter, users_page
from entrypoints.http.request import AnyRequest, caller_of


@show("/users/{user_id:uuid}", policy=signed_in(role=Role.MODERATOR, query={"done"}))
async def person(user_id: UserIdInPath, request: AnyRequest, show_user: NamedDependency[ShowUser]) -> Response[Any]:
    """Links only to what the viewer may do. The use cases decide again."""
    user, viewing_user = await show_user(user_id), await show_user(caller_of(request).user_id)
    manages = viewing_user.can_manage(user)
    return users_page(
        request,
        "users_person.html",
        tab="users",
        user=user,
        own=user.id == viewing_user.id,
        manages=manages,
        administers=manages and viewing_user.effective_role.includes(Role.ADMIN),
    )


@show("/users/{user_id:uuid}/events", policy=signed_in(role=Role.MODERATOR, query={"cursor"}))
async def events_of_person(
    user_id: UserIdInPath,
    request: AnyRequest,
    list_events: NamedDependency[ListEvents],
    show_user: NamedDependency[ShowUser],
) -> Response[Any]:
    """Also of a deleted user."""
    cursor = parameter(request, "cursor")
    after = place_of(cursor).id if cursor else None
    found, following = await list_events(user_id, reader=caller_of(request).user_id, limit=ON_A_PAGE, after=after)
    return users_page(
        request,
        "users_events.html",
        tab="users",
        user_id=user_id,
        users=await _users(show_user, user_id, found),
        events=[(event, EVENTS[event.action]) for event in found],
        cursor=cursor,
        following="" if following is None else cursor_of(PageCursor(following)),
    )


async def _users(show_user: ShowUser, user_id: UUID, events: Iterable[AuditEvent]) -> dict[UUID, User]:
    """The user and the actors of the events, without those that are deleted."""
    found = {}
    for one in {user_id} | {event.actor_id for event in events if event.actor_id is not None}:
        try:
            found[one] = await show_user(one)
        except Refusal as refusal:
            if refusal.code is not ErrorCode.NOT_FOUND:
                raise
    return found


handlers = [person, events_of_person]
