"""Links in mails, signed by itsdangerous: HMAC-SHA-256 with a key for each purpose."""

import hashlib
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from application.ports import LinkSigner
from domain.outbox import EmailLink, LinkPurpose
from domain.refusals import ErrorCode, Refusal

_LONGEST = 512
_BODY = struct.Struct(">16sIQ")
"""Subject, version, time of issue in whole seconds since 1970."""


class ItsDangerousLinkSigner(LinkSigner):
    """`secrets` go from newest to oldest: the first signs, all verify. Raises ValueError for one below 32 bytes.

    A link holds whole seconds: `issued_at` comes back without its fraction.
    """

    def __init__(self, *, secrets: Sequence[bytes]) -> None:
        if not secrets or min(map(len, secrets)) < 32:
            raise ValueError("signing links needs secrets of at least 32 bytes")
        self._signers = {
            purpose: Signer(
                # itsdangerous wants them from oldest to newest.
                list(reversed(secrets)),
                salt=f"latchkey.link.{purpose}",
                key_derivation="hmac",
                digest_method=hashlib.sha256,
            )
            for purpose in LinkPurpose
        }

    def sign(self, link: EmailLink) -> str:
        body = _BODY.pack(link.subject.bytes, link.version, int(link.issued_at.timestamp()))
        return self._signers[link.purpose].sign(base64_encode(body)).decode()

    def verify(self, text: str, purpose: LinkPurpose) -> EmailLink:
        try:
            if len(text) > _LONGEST or not text.isascii() or not all(map(_is_canonical, text.split("."))):
                raise ValueError("size or base64")
            body = base64_decode(self._signers[purpose].unsign(text))
            subject, version, seconds = _BODY.unpack(body)
            return EmailLink(
                purpose=purpose,
                subject=UUID(bytes=subject),
                version=version,
                issued_at=datetime.fromtimestamp(seconds, UTC),
            )
        except (BadData, struct.error, ValueError, OverflowError, OSError):
            raise Refusal(ErrorCode.LINK_INVALID, "This link is not valid.") from None


def _is_canonical(segment: str) -> bool:
    """itsdangerous also accepts padding, stray characters and spare bits; a link has one valid text."""
    return base64_encode(base64_decode(segment)) == segment.encode()
