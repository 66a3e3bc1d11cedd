"""What happened to an account: for its owner, and for those who look after users."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from application.list_users import ListEvents
from application.store import Place
from domain.event import Action, Event
from domain.role import Role
from domain.token import AccessToken
from entrypoints.http.cursors import cursor_of, place_of
from entrypoints.http.guard import at_least, signed_in
from entrypoints.http.problems import refusals
from entrypoints.http.reading import AnyRequest, caller_of

_PAGED = {"limit", "cursor"}


class EventShape(Struct, frozen=True, kw_only=True):
    """`actor_id` is null where nobody was logged in: a link was used, or the command line."""

    id: UUID
    action: Action
    user_id: UUID
    actor_id: UUID | None
    created_at: datetime
    ip: str
    user_agent: str
    detail: str

    @classmethod
    def of(cls, event: Event) -> "EventShape":
        return cls(
            id=event.id,
            action=event.action,
            user_id=event.user_id,
            actor_id=event.actor_id,
            created_at=event.created_at,
            ip=event.origin.ip,
            user_agent=event.origin.user_agent,
            detail=event.detail,
        )


class EventPage(Struct, frozen=True):
    items: list[EventShape]
    next_cursor: str | None


@get("/me/events", guards=signed_in(query=_PAGED), responses=refusals("token_missing", "token_revoked"))
async def my_events(
    request: AnyRequest,
    list_events: NamedDependency[ListEvents],
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=512)] = None,
) -> EventPage:
    """What happened to the caller's account, newest first."""
    return await _page(list_events, caller_of(request).user_id, caller_of(request), limit, cursor)


@get(
    "/users/{user_id:uuid}/events",
    guards=at_least(Role.MODERATOR, query=_PAGED),
    responses=refusals("token_missing", "not_verified", "role_required", "not_found"),
)
async def events_of_user(
    user_id: FromPath[UUID],
    request: AnyRequest,
    list_events: NamedDependency[ListEvents],
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, QueryParameter(max_length=512)] = None,
) -> EventPage:
    """What happened to a user, newest first; also to one who has been deleted."""
    return await _page(list_events, user_id, caller_of(request), limit, cursor)


async def _page(
    list_events: ListEvents, user_id: UUID, reader: AccessToken, limit: int, cursor: str | None
) -> EventPage:
    after = None if cursor is None else place_of(cursor).id
    page, following = await list_events(user_id, reader=reader.user_id, limit=limit, after=after)
    next_cursor = None if following is None else cursor_of(Place(following))
    return EventPage([EventShape.of(event) for event in page], next_cursor)


handlers = [my_events, events_of_user]
