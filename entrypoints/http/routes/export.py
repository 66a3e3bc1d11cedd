"""The export of everything stored about the caller, streamed page by page."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import msgspec
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation
from litestar.response import Stream
from msgspec import Struct

from application.profile.export_me import Export, ExportMe
from domain.rate_limits import Limit
from entrypoints.http.endpoint import get
from entrypoints.http.export_schemas import (
    ExportedAccount,
    ExportedAddressChange,
    ExportedFactor,
    ExportedInvitation,
    ExportedMail,
    ExportedSession,
    ExportedUndoPoint,
    ExportResponse,
)
from entrypoints.http.factor_schemas import RecoveryCodeCountResponse
from entrypoints.http.guard import authenticated
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.routes.events import EventResponse
from entrypoints.http.schemas import UserResponse

Exported = TypeVar("Exported")


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
    return await download(request, export_me, start_deadline)


async def download(request: AnyRequest, export_me: ExportMe, start_deadline: Callable[[], None]) -> Stream:
    """The document, as a file to save."""
    pieces = _document(await export_me(caller_of(request), client_info=client_info_of(request)))
    beginning = await anext(pieces)  # an outage up to here is a 503
    return Stream(
        _with_deadlines(beginning, pieces, start_deadline),
        media_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="latchkey-export.json"'},
    )


async def _document(export: Export) -> AsyncIterator[bytes]:
    """The chunks of an `ExportResponse`, one for each page."""
    codes = export.recovery_codes
    short: dict[str, object] = {
        "account": ExportedAccount.of(export.user),
        "address_changes": [ExportedAddressChange.of(change) for change in export.changes],
        "factors": [ExportedFactor.of(factor) for factor in export.factors],
        "recovery_codes": None if codes is None else RecoveryCodeCountResponse(codes.left, codes.created_at),
        "invitations": [ExportedInvitation.of(invitation) for invitation in export.invitations],
        "undo_points": [ExportedUndoPoint.of(point) for point in export.undo_points],
    }
    text = msgspec.json.encode({"user": UserResponse.of(export.user), **short})[:-1]
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
