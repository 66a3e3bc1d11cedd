"""Audit events of an account, for its owner and for moderators."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar.di import NamedDependency
from msgspec import Struct

from application.administration.list_events import ListEvents
from application.repositories import PageCursor
from domain.audit import AuditEvent, EventType
from domain.role import Role
from domain.tokens import AccessToken
from entrypoints.http.cursors import cursor_of, place_of
from entrypoints.http.endpoint import get
from entrypoints.http.fields import (
    Cursor,
    IpAddress,
    Limit,
    NextCursor,
    Timestamp,
    UserAgent,
    UserId,
    UserIdInPath,
    documented,
)
from entrypoints.http.guard import authenticated, requires_role
from entrypoints.http.request import AnyRequest, caller_of

_PAGED = {"limit", "cursor"}


class EventResponse(Struct, frozen=True, kw_only=True):
    """`actor_id` is null if no user was logged in: a link or the command line was used."""

    id: Annotated[UUID, documented("The event's id (UUIDv7).", "0199a3c4-9a30-7d52-b1f4-6a0d3c2e8b19")]
    action: EventType
    user_id: UserId
    actor_id: UserId | None
    created_at: Annotated[datetime, Timestamp]
    ip: IpAddress
    user_agent: UserAgent
    detail: Annotated[str, documented("More, for people; often empty.", "")]

    @classmethod
    def of(cls, event: AuditEvent) -> "EventResponse":
        return cls(
            id=event.id,
            action=event.action,
            user_id=event.user_id,
            actor_id=event.actor_id,
            created_at=event.created_at,
            ip=event.client_info.ip,
            user_agent=event.client_info.user_agent,
            detail=event.detail,
        )


class EventPage(Struct, frozen=True):
    items: list[EventResponse]
    next_cursor: NextCursor


@get(
    "/me/events",
    operation_id="listMyEvents",
    summary="List events of your account",
    tag="Account",
    policy=authenticated(query=_PAGED),
)
async def my_events(
    request: AnyRequest,
    list_events: NamedDependency[ListEvents],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> EventPage:
    """The audit events of the caller, newest first."""
    return await _page(list_events, caller_of(request).user_id, caller_of(request), limit, cursor)


@get(
    "/users/{user_id:uuid}/events",
    operation_id="listUserEvents",
    summary="List events of a user",
    tag="Users",
    policy=requires_role(Role.MODERATOR, query=_PAGED),
    errors=["not_found"],
)
async def events_of_user(
    user_id: UserIdInPath,
    request: AnyRequest,
    list_events: NamedDependency[ListEvents],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> EventPage:
    """The audit events of a user, newest first. Also works for deleted users."""
    return await _page(list_events, user_id, caller_of(request), limit, cursor)


async def _page(
    list_events: ListEvents, user_id: UUID, reader: AccessToken, limit: int, cursor: str | None
) -> EventPage:
    after = None if cursor is None else place_of(cursor).id
    page, following = await list_events(user_id, reader=reader.user_id, limit=limit, after=after)
    next_cursor = None if following is None else cursor_of(PageCursor(following))
    return EventPage([EventResponse.of(event) for event in page], next_cursor)


handlers = [my_events, events_of_user]
