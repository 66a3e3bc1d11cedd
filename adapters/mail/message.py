"""A mail as the bytes of a message (RFC 5322), built by the standard library: the same mail gives the same bytes."""

from datetime import UTC
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, Policy

from adapters.mail.addresses import Sender, recipient
from domain.outbox import RenderedMail

_HEADERS = SMTP.clone(cte_type="7bit")
"""ASCII alone, since not every relay knows 8BITMIME or SMTPUTF8."""
_BODIES = _HEADERS.clone(max_line_length=900)
"""Lines of up to 900 characters stay as they are: a long link stays readable, and RFC 5321 allows 998."""


def message_bytes(letter: RenderedMail, origin: Sender) -> bytes:
    """The whole message: CRLF line ends, ASCII only, no line longer than 998 (RFC 5322 section 2.1.1).

    Raises MailRefused for a bad recipient, ValueError for a subject that is not one short line."""
    message = EmailMessage(policy=_BODIES)
    message["From"] = _from(origin)
    message["To"] = recipient(letter)
    message["Subject"] = _subject(letter.subject)
    message["Date"] = letter.written_at.astimezone(UTC)
    message["Message-ID"] = f"<{letter.id}@{origin.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notice or ticket system should reply
    message.set_content(letter.text)
    message.make_alternative(boundary=f"=_{letter.id.hex}")  # fixed, so that a second send is the same bytes
    message.add_alternative(letter.html, subtype="html")
    return message.as_bytes(policy=_HEADERS)


def _from(origin: Sender) -> "Address | _Encoded":
    if "=?" in origin.name:
        return _Encoded("From", origin.name, f" <{origin.address}>")
    return Address(origin.name, addr_spec=origin.address)


def _subject(text: str) -> "str | _Encoded":
    if not text.isprintable() or len(text) > 900:
        raise ValueError("The subject of a mail must be short and on one line.")
    return _Encoded("Subject", text) if "=?" in text else text


class _Encoded(str):
    """A header with a text that looks like an encoded word (RFC 2047) without being one. EmailMessage would decode
    it; it writes a value with a name and a `fold` of its own as that says (`EmailPolicy.header_store_parse`)."""

    name: str

    def __new__(cls, name: str, text: str, ending: str = "") -> "_Encoded":
        encoded = super().__new__(cls, Header(text, "utf-8", header_name=name).encode(linesep="\r\n") + ending)
        encoded.name = name
        return encoded

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"
