"""A rendered mail, as mailers receive it."""

from datetime import datetime, timedelta, timezone
from uuid import UUID

from domain.outbox import RenderedMail

FROM = "Latchkey, Inc. <no-reply@id.example.org>"


RENDERED_MAIL = RenderedMail(
    id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    recipient="ada@example.com",
    subject="Confirm your address",
    text="Hello\n.\n..two\nhttps://id.example.org/verify?token=" + "x" * 200 + "\n",
    html="<p>Hello</p>\n<p>.</p>\n",
    written_at=datetime(2026, 11, 23, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
)
