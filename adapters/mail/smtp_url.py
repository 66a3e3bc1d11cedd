"""The SMTP server that LATCHKEY_SMTP_URL names. Every process checks the URL; only workers load the SMTP client."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit


class Tls(StrEnum):
    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    host: str
    port: int
    tls: Tls
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_smtp_url(url: str) -> SmtpServer:
    """Without `tls`, smtp:// means STARTTLS, except at port 465 (RFC 8314 section 3.3) and on loopback.

    Raises ValueError naming LATCHKEY_SMTP_URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        implicit = parts.scheme == "smtps" or port == 465
        implied = Tls.IMPLICIT if implicit else Tls.NONE if _loopback(host) else Tls.STARTTLS
        ((option, value),) = parse_qsl(parts.query or f"tls={implied}", strict_parsing=True)
        tls = Tls(value if option == "tls" else "")
    except ValueError:
        # The parser's message may quote the password.
        raise ValueError(
            "LATCHKEY_SMTP_URL is unreadable: percent-encode the password; tls is starttls, implicit or none."
        ) from None
    beyond = parts.path.strip("/") or parts.fragment
    if parts.scheme not in ("smtp", "smtps") or not _HOST.fullmatch(host) or port == 0 or beyond:
        raise ValueError("LATCHKEY_SMTP_URL must look like smtp://user:password@host:587.")
    if parts.scheme == "smtps" and tls is not Tls.IMPLICIT:
        raise ValueError("LATCHKEY_SMTP_URL says smtps, which is tls=implicit.")
    username, password = (part and unquote(part) for part in (parts.username, parts.password))
    if bool(username) != bool(password) or "\0" in f"{username}{password}":
        raise ValueError("LATCHKEY_SMTP_URL needs both a user and a password, or neither.")
    if username and tls is Tls.NONE and not _loopback(host):
        raise ValueError("LATCHKEY_SMTP_URL would send the password unencrypted.")
    port = port or {Tls.STARTTLS: 587, Tls.IMPLICIT: 465, Tls.NONE: 25}[tls]
    return SmtpServer(host=host, port=port, tls=tls, username=username or None, password=password or None)


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
