"""What happened to the account, newest first."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.administration.list_events import ListEvents
from application.repositories import PageCursor
from entrypoints.http.cursors import cursor_of, place_of
from entrypoints.http.endpoint import show
from entrypoints.http.guard import signed_in
from entrypoints.http.pages.event_texts import EVENTS
from entrypoints.http.pages.frame import framed
from entrypoints.http.request import AnyRequest, caller_of, text_of

_PER_PAGE = 20


@show("/account/events", policy=signed_in(query=None))
async def activity(request: AnyRequest, list_events: NamedDependency[ListEvents]) -> Response[Any]:
    cursor = text_of(request.query_params, "cursor")
    user_id = caller_of(request).user_id
    after = place_of(cursor).id if cursor else None
    events, following = await list_events(user_id, reader=user_id, limit=_PER_PAGE, after=after)
    return framed(
        request,
        "account_events.html",
        here="events",
        events=[(event, EVENTS[event.action]) for event in events],
        own=user_id,
        first=not cursor,
        next_cursor="" if following is None else cursor_of(PageCursor(following)),
    )


handlers = [activity]
