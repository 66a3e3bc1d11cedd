"""Types of fields in requests and responses, with their descriptions in the OpenAPI document.

Descriptions, examples and formats are for readers and generated clients, and are not enforced. The rules are in the
domain.
"""

from typing import Annotated, Any
from uuid import UUID

from litestar.params import PathParameter, QueryParameter
from msgspec import Meta


def documented(description: str, *examples: Any, **keywords: Any) -> Meta:
    """`keywords` are those of JSON Schema, such as `maxLength=254`."""
    return Meta(description=description, examples=list(examples) or None, extra_json_schema=keywords or None)


Email = Annotated[str, documented("An e-mail address.", "ada@example.org", format="email", maxLength=254)]
Username = Annotated[
    str,
    documented(
        "3 to 32 letters (a to z), digits, dots, underscores or hyphens; begins and ends with a letter or a digit.",
        "ada",
        maxLength=32,
    ),
]
Login = Annotated[str, documented("An e-mail address or a username.", "ada@example.org")]
Password = Annotated[str, documented("The current password.", "a long walk to the lighthouse", format="password")]
NewPassword = Annotated[
    str,
    documented(
        "15 to 128 characters of any script, unless the installation sets another minimum.",
        "a longer walk to the lighthouse",
        format="password",
        maxLength=128,
    ),
]
LinkToken = Annotated[str, documented("The `token` of a link in a mail.", "eyJwIjoidmVyaWZ5Iiw.aRxT0A.s1gn")]
AccessToken = Annotated[
    str,
    documented("A JWT (RFC 9068). Send it as `Authorization: Bearer …`.", "eyJhbGciOiJFUzI1NiIs.eyJpc3MiOi.MEUCIQ"),
]
RefreshToken = Annotated[str, documented("Opaque. Exchange it at `/v1/refresh`.", "AZmjxI8gehGNBxyb4qRfMwAAAAE")]
NewRefreshToken = Annotated[str, documented("Opaque. Exchange it at `/v1/refresh`.", "AZmjxI8gehGNBxyb4qRfMwAAAAI")]
UserId = Annotated[UUID, documented("The user's id (UUIDv7).", "0199a3c4-7d1e-7c3a-9b52-5f0e8a7d6c41")]
SessionId = Annotated[UUID, documented("The session's id (UUIDv7).", "0199a3c4-8f20-7a11-8d07-1c9be2a45f33")]
UserIdInPath = Annotated[UUID, PathParameter(description="The user's id.")]
SessionIdInPath = Annotated[UUID, PathParameter(description="The session's id.")]
InvitationIdInPath = Annotated[UUID, PathParameter(description="The invitation's id.")]
RowId = Annotated[UUID, documented("UUIDv7.", "0199a3c4-9a30-7d52-b1f4-6a0d3c2e8b19")]
AccessSeconds = Annotated[int, documented("Seconds from now.", 600)]
RefreshSeconds = Annotated[int, documented("Seconds from now.", 604_800)]
AuthTime = Annotated[
    int, documented("When the person authenticated, in seconds since 1970; a refresh does not change it.", 1796040000)
]
Timestamp = documented("RFC 3339, UTC.", "2026-11-30T12:00:00Z", format="date-time")
IpAddress = Annotated[str, documented("The client's IP address; empty if unknown.", "203.0.113.9")]
UserAgent = Annotated[
    str, documented("The client's User-Agent header, at most 256 characters.", "Mozilla/5.0 (X11; Linux x86_64)")
]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="Maximum number of items on a page.")]
Cursor = Annotated[str | None, QueryParameter(max_length=512, description="`next_cursor` of the page before.")]
NextCursor = Annotated[
    str | None,
    documented("Send it as `cursor` to get the next page. Null on the last page.", "AZmjxH0ffDqbUl8Oin1sQQ"),
]
