"""Links in mails, signed with a key for each purpose."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from adapters.tokens.purpose_signer import PurposeSigner
from application.ports import LinkSigner
from domain.outbox import EmailLink, LinkPurpose
from domain.refusals import ErrorCode, Refusal

_BODY = struct.Struct(">16sIQ")
"""Subject, version, time of issue in whole seconds since 1970."""


class ItsDangerousLinkSigner(LinkSigner):
    """`secrets` go from newest to oldest: the first signs, all verify. Raises ValueError for one below 32 bytes.

    A link holds whole seconds: `issued_at` comes back without its fraction.
    """

    def __init__(self, *, secrets: Sequence[bytes]) -> None:
        self._signer = PurposeSigner("latchkey.link", LinkPurpose, secrets=secrets)

    def sign(self, link: EmailLink) -> str:
        body = _BODY.pack(link.subject.bytes, link.version, int(link.issued_at.timestamp()))
        return self._signer.sign(body, link.purpose)

    def verify(self, text: str, purpose: LinkPurpose) -> EmailLink:
        try:
            subject, version, seconds = _BODY.unpack(self._signer.verify(text, purpose))
            return EmailLink(
                purpose=purpose,
                subject=UUID(bytes=subject),
                version=version,
                issued_at=datetime.fromtimestamp(seconds, UTC),
            )
        except (struct.error, ValueError, OverflowError, OSError):
            raise Refusal(ErrorCode.LINK_INVALID, "This link is not valid.") from None
