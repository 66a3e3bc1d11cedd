"""Settings of what people see: name of the product, and links of pages and mails."""

import re
from dataclasses import dataclass
from unicodedata import normalize
from urllib.parse import urlsplit

from domain.invitation import RegistrationMode
from entrypoints.listening import LOOPBACK_HOSTS
from entrypoints.settings.reader import SettingsReader
from entrypoints.settings.setting import setting
from entrypoints.settings.storage import split_url

LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+"
_PUBLIC = re.compile(rf"https?://(?:{LABEL}(?:\.{LABEL})*|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?(?:/{_SEGMENT})*/?")
_NOT_IN_URLS = set("<>\"'`{}|\\^")


def public_url(text: str) -> str:
    """Parse the public URL. It is the issuer of tokens, so only its canonical spelling is accepted."""
    wanted = "must be an address such as https://accounts.example.org"
    if not _PUBLIC.fullmatch(text):
        raise ValueError(wanted)
    split_url(text, {"http", "https"}, wanted)
    return text.rstrip("/")


def product_name(text: str) -> str:
    """Parse the product's name, which is used in mail headers, subjects and pages."""
    name = normalize("NFC", text.strip())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise ValueError("must be a name of 1 to 100 printable characters on one line")
    return name


def product_url(text: str) -> str:
    wanted = "must be an address such as https://app.example.org"
    parts = split_url(text, {"http", "https"}, wanted)
    if "@" in parts.netloc or set(text) & _NOT_IN_URLS:
        raise ValueError(wanted)
    return text


def link_url(text: str) -> str:
    """Parse the template of links. Each placeholder occurs once, after the host."""
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


def over_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must begin with https:// in production")


def registration_mode(text: str) -> RegistrationMode:
    try:
        return RegistrationMode(text)
    except ValueError:
        raise ValueError("must be open, invited or closed") from None


def _local_origin(reader: SettingsReader) -> str:
    # Passkeys need a domain, so this is no IP address.
    return f"http://localhost:{reader.value('PORT') or 8000}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Product:
    public_url: str = setting(
        "PUBLIC_URL",
        "public URL of Latchkey: base of links, and issuer of access tokens",
        parse=public_url,
        check=over_https,
        development=_local_origin,
        shown="this machine in development",
    )
    name: str = setting(
        "NAME",
        "the product's name in pages, mails and subjects, and of a sender without a name; passwords made of it are"
        " refused",
        parse=product_name,
        default="Latchkey",
    )
    registration: RegistrationMode = setting(
        "REGISTRATION",
        "who can create an account: `open` (everyone), `invited` (people whom a moderator invites) or `closed` (users"
        " come from commands alone)",
        parse=registration_mode,
        default=RegistrationMode.OPEN,
        shown="`open`",
    )
    product_url: str | None = setting(
        "PRODUCT_URL",
        "link to the product in pages and mails",
        parse=product_url,
        check=over_https,
        optional=True,
    )
    link_url: str | None = setting(
        "LINK_URL",
        "URL of the links in mails, if they lead to pages of the product:"
        " `https://app.example.org/{purpose}?token={token}`; `{purpose}` is `verify`, `reset`, `email`, `restore` or"
        " `invite`",
        parse=link_url,
        check=over_https,
        optional=True,
    )
