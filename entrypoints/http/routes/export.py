"""The export of everything stored about the caller, streamed page by page."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation
from litestar.response import Stream
from msgspec import Struct

from application.profile.export_me import Export, ExportMe
from domain.email_change import EmailChange
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from domain.rate_limits import Limit
from domain.session import EndReason, Session
from entrypoints.http.endpoint import get
from entrypoints.http.fields import Email, IpAddress, RowId, SessionId, Timestamp, UserAgent
from entrypoints.http.guard import authenticated
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.routes.events import EventResponse
from entrypoints.http.schemas import UserResponse

Exported = TypeVar("Exported")


class ExportedSession(Struct, frozen=True, kw_only=True):
    """`last_used_at` is the time of the login or last refresh."""

    id: SessionId
    created_at: Annotated[datetime, Timestamp]
    last_used_at: Annotated[datetime, Timestamp]
    expires_at: Annotated[datetime, Timestamp]
    ended_at: Annotated[datetime | None, Timestamp]
    end_reason: EndReason | None
    user_agent: UserAgent
    ip: IpAddress

    @classmethod
    def of(cls, session: Session) -> "ExportedSession":
        return cls(
            id=session.id,
            created_at=session.created_at,
            last_used_at=session.rotated_at,
            expires_at=session.expires_at,
            ended_at=session.ended_at,
            end_reason=session.end_reason,
            user_agent=session.client_info.user_agent,
            ip=session.client_info.ip,
        )


class ExportedAddressChange(Struct, frozen=True, kw_only=True):
    id: RowId
    old_email: Email
    new_email: Email
    asked_at: Annotated[datetime, Timestamp]
    confirmed_at: Annotated[datetime | None, Timestamp]
    closed_at: Annotated[datetime | None, Timestamp]

    @classmethod
    def of(cls, change: EmailChange) -> "ExportedAddressChange":
        return cls(
            id=change.id,
            old_email=change.old_email,
            new_email=change.new_email,
            asked_at=change.asked_at,
            confirmed_at=change.confirmed_at,
            closed_at=change.closed_at,
        )


class ExportedMail(Struct, frozen=True, kw_only=True):
    """A mail and its outcome. Its text is rendered when it is sent, and not stored."""

    id: RowId
    kind: MailKind
    recipient: Email
    ip: IpAddress
    user_agent: UserAgent
    created_at: Annotated[datetime, Timestamp]
    settled_at: Annotated[datetime | None, Timestamp]
    outcome: DeliveryOutcome | None

    @classmethod
    def of(cls, mail: OutboxMail) -> "ExportedMail":
        return cls(
            id=mail.id,
            kind=mail.kind,
            recipient=mail.recipient,
            ip=mail.client_info.ip,
            user_agent=mail.client_info.user_agent,
            created_at=mail.created_at,
            settled_at=mail.settled_at,
            outcome=mail.outcome,
        )


class ExportResponse(Struct, frozen=True, kw_only=True):
    """Everything newest first."""

    user: UserResponse
    address_changes: list[ExportedAddressChange]
    sessions: list[ExportedSession]
    events: list[EventResponse]
    mails: list[ExportedMail]


@get(
    "/me/export",
    operation_id="exportMe",
    summary="Export your data",
    tag="Account",
    policy=authenticated(budget=Limit.EXPORT),
    responses={200: ResponseSpec(ExportResponse, generate_examples=False, description="A file to keep")},
)
async def export(
    request: AnyRequest,
    export_me: NamedDependency[ExportMe],
    start_deadline: NamedDependency[SkipValidation[Callable[[], None]]],
) -> Stream:
    """All data stored about the caller. If the data cannot be read to the end, the document is cut off."""
    pieces = _document(await export_me(caller_of(request), client_info=client_info_of(request)))
    beginning = await anext(pieces)  # an outage up to here is a 503
    return Stream(
        _with_deadlines(beginning, pieces, start_deadline),
        media_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="latchkey-export.json"'},
    )


async def _document(export: Export) -> AsyncIterator[bytes]:
    """The chunks of an `ExportResponse`, one for each page."""
    changes = [ExportedAddressChange.of(change) for change in export.changes]
    text = b'{"user":' + msgspec.json.encode(UserResponse.of(export.user))
    text += b',"address_changes":' + msgspec.json.encode(changes)
    for name, pages in (
        (b"sessions", _encode_items(export.sessions, ExportedSession.of)),
        (b"events", _encode_items(export.events, EventResponse.of)),
        (b"mails", _encode_items(export.mails, ExportedMail.of)),
    ):
        text += b',"' + name + b'":['
        between = b""
        async for page in pages:
            yield text + between + page
            text, between = b"", b","
        text += b"]"
    yield text + b"}"


async def _encode_items(
    pages: AsyncIterator[Sequence[Exported]], response: Callable[[Exported], Struct]
) -> AsyncIterator[bytes]:
    """The JSON items of each page, without brackets."""
    async for page in pages:
        yield msgspec.json.encode([response(item) for item in page])[1:-1]


async def _with_deadlines(
    beginning: bytes, rest: AsyncIterator[bytes], start_deadline: Callable[[], None]
) -> AsyncIterator[bytes]:
    yield beginning
    start_deadline()  # each page has its own deadline, because the client may read slowly
    async for piece in rest:
        yield piece
        start_deadline()


handlers = [export]
