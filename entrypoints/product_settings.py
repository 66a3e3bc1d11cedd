"""How settings that people see are written: the name of the product, and where pages and mails lead."""

import re
from collections.abc import Callable
from unicodedata import normalize
from urllib.parse import urlsplit

from entrypoints.setting_values import address

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_PUBLIC = re.compile(
    rf"https?://(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~/-]*)?"
)
_NOT_IN_URLS = set("<>\"'`{}|\\^")


def public_url(text: str) -> str:
    """It stands in mails, pages and tokens: it has one spelling, and nothing in it that could mean anything else."""
    wanted = "must be an address such as https://accounts.example.org"
    if not _PUBLIC.fullmatch(text):
        raise ValueError(wanted)
    address(text, {"http", "https"}, wanted)
    return text.rstrip("/")


def product_name(text: str) -> str:
    """It stands in the headers of mails, in pages and in subjects."""
    name = normalize("NFC", text.strip())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise ValueError("must be a name of 1 to 100 printable characters on one line")
    return name


def product_url(text: str) -> str:
    wanted = "must be an address such as https://app.example.org"
    parts = address(text, {"http", "https"}, wanted)
    if "@" in parts.netloc or set(text) & _NOT_IN_URLS:
        raise ValueError(wanted)
    return text


def link_url(text: str) -> str:
    """Each placeholder stands once, behind the host: where a link leads must not depend on what is in it."""
    wanted = "must hold {purpose} and {token} once each, such as https://app.example.org/{purpose}?token={token}"
    if text.count("{purpose}") != 1 or text.count("{token}") != 1:
        raise ValueError(wanted)
    filled = text.replace("{purpose}", "purpose").replace("{token}", "token")
    try:
        parts = urlsplit(product_url(filled))
    except ValueError:
        raise ValueError(wanted) from None
    if not text.startswith(f"{parts.scheme}://{parts.netloc}/"):
        raise ValueError(wanted)
    return text


def over_https(parse: Callable[[str], str]) -> Callable[[str], str]:
    def parsed(text: str) -> str:
        url = parse(text)
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("must begin with https:// in production")
        return url

    return parsed


def no_reply(public_url: str) -> str:
    """The sender where none is set: at the public host, if that has a name."""
    try:
        host = urlsplit(public_url).hostname or ""
    except ValueError:
        host = ""
    named = ":" not in host and any(letter.isalpha() for letter in host)
    return f"no-reply@{host if named else 'localhost'}"
