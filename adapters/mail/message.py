"""A letter as the bytes of a message (RFC 5322, RFC 2045). Pure: the same letter always gives the same bytes."""

import re
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import UTC
from email.header import Header
from email.utils import format_datetime, formataddr

from application.mail_ports import MailRefused
from domain.mail import Letter

# Narrower than the RFC on purpose: no quoted local parts, comments, routes or address literals. What is left
# means the same to every parser on the way, so no other parser can read a second recipient out of it.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_BARE = re.compile(rf"(?=.{{3,254}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom letters come from."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.partition("@")[2]


def sender(mail_from: str, product: str = "") -> Sender:
    """Parse `no-reply@host` or `Name <no-reply@host>`; without a name it is the product's. Raises ValueError naming
    LATCHKEY_MAIL_FROM."""
    found = re.fullmatch(r"(?:(?P<name>[^<>@]*)<)?(?P<address>[^<>]+)(?(name)>)", mail_from.strip())
    if found is None or not _BARE.fullmatch(found["address"]) or not mail_from.isprintable():
        raise ValueError("LATCHKEY_MAIL_FROM must be one address, such as Latchkey <no-reply@example.org>.")
    return Sender((found["name"] or "").strip(' "') or product, found["address"])


def recipient(letter: Letter) -> str:
    """The only address the letter may go to. Raises MailRefused for anything but one bare ASCII address."""
    if not _BARE.fullmatch(letter.recipient):
        raise MailRefused("The recipient is not one bare address; nothing was sent.")
    return letter.recipient


def message_bytes(letter: Letter, origin: Sender) -> bytes:
    """The whole message with CRLF line ends, ASCII only, no line longer than 998 (RFC 5322, 2.1.1)."""
    # Written out rather than through EmailMessage: that costs as much CPU as the rest of a delivery.
    boundary = f"=_{letter.id.hex}"  # fixed, so that a second send is the same bytes; unknown to the recipient
    head = [
        _from(origin),
        _header("To", recipient(letter)),
        _header("Subject", letter.subject),
        _header("Date", format_datetime(letter.written_at.astimezone(UTC))),
        _header("Message-ID", f"<{letter.id}@{origin.domain}>"),
        # RFC 3834: no vacation notice or ticket system should answer this.
        _header("Auto-Submitted", "auto-generated"),
        _header("MIME-Version", "1.0"),
        _header("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
    ]
    parts = [_part("plain", letter.text), _part("html", letter.html)]
    lines = [*head, "", *(line for part in parts for line in (f"--{boundary}", part)), f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("ascii")


def _from(origin: Sender) -> str:
    """A name is quoted where it is plain ASCII, and else encoded in words that are short enough (RFC 2047)."""
    if _is_plain(origin.name):
        return _header("From", formataddr((origin.name, origin.address)))
    return f"{_header('From', origin.name)}\r\n <{origin.address}>"


def _is_plain(value: str) -> bool:
    """Whether it means itself in a header: what looks like an encoded word would be decoded."""
    return value.isascii() and "=?" not in value


def _header(name: str, value: str) -> str:
    """Raises ValueError where a value could end its header: whatever is not printable on one short line."""
    if not value.isprintable() or len(value) > 900:
        raise ValueError(f"The {name} of a letter must be short and on one line.")
    words = value if _is_plain(value) else Header(value, "utf-8", header_name=name).encode(linesep="\r\n")
    return f"{name}: {words}"


def _part(subtype: str, text: str) -> str:
    """As it is where every relay takes that, for it stays readable; else quoted-printable (RFC 2045, 6.7)."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if text.isascii() and all(line.isprintable() and len(line) <= 900 for line in lines):
        encoding, body = "7bit", "\r\n".join(lines)
    else:
        # With a line end to look at, the encoder breaks its own lines in the same way.
        encoding, body = "quoted-printable", b2a_qp("\r\n".join([*lines, ""]).encode()).decode("ascii")
    return "\r\n".join(
        [f'Content-Type: text/{subtype}; charset="utf-8"', f"Content-Transfer-Encoding: {encoding}", "", body, ""]
    )
