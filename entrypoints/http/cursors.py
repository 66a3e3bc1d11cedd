"""Cursors of pages, as opaque text. A cursor grants no access."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from application.repositories import PageCursor
from domain.refusals import ErrorCode, Refusal


def cursor_of(place: PageCursor) -> str:
    return urlsafe_b64encode(place.id.bytes + place.key.encode()).decode().rstrip("=")


def place_of(cursor: str, query: str = "") -> PageCursor:
    """A position in the list of users that start with the query, or of all users. Raises `malformed`."""
    try:
        content = urlsafe_b64decode(cursor.encode("ascii") + b"==")
        place = PageCursor(UUID(bytes=content[:16]), content[16:].decode("ascii"))
    except ValueError:
        place = None
    if place is None or cursor_of(place) != cursor or "\0" in place.key:
        raise Refusal(ErrorCode.MALFORMED, "This cursor is not valid.", field="cursor")
    start = query.strip().lower()
    if bool(place.key) != bool(start) or not place.key[1:].startswith(start):
        raise Refusal(ErrorCode.MALFORMED, "This cursor belongs to another list.", field="cursor")
    return place
