"""Usernames: which are accepted, and their normal form."""

import re

from domain.refusals import ErrorCode, Refusal

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,30}[A-Za-z0-9]")
_SEPARATOR = re.compile(r"[._-]+")
_LOOK_ALIKE = str.maketrans("01345", "oieas")

_MAILBOXES = """
abuse billing compliance contact customerservice dmca donotreply ftp help helpdesk hostmaster info legal mailerdaemon
marketing news newsletter noc noreply postmaster privacy sales security ssladmin ssladministrator sslwebmaster support
sysadmin usenet uucp webmaster www
"""
"""Mailboxes of a service (RFC 2142), and mailboxes that certificate authorities accept as proof of a domain."""

_AUTHORITIES = """
account accounts admin administrator administrators admins anonymous api auth autoconfig autodiscover broadcasthost
daemon everyone isatap localhost login logout mail moderator moderators nobody null official operator operators owner
payments register root safety settings signin signup smtp staff superadmin superuser sysop system team trust undefined
verification verified verify wpad
"""
"""Names that look like the service itself, and names that programs treat specially."""

_FILLERS = "bot center centre customer desk official real service services team the"

_ZONES = """
aero alt app arpa asia biz blog bot cat cloud club com coop corp dev edu email example gov home host info int internal
invalid jobs lan link live local localhost mail mil mobi museum name net network news onion online org page post pro
shop site space store support tech tel test tld top travel web website wiki work world xxx xyz zip
"""
"""Common top-level domains. Those of countries are not listed, because any two letters are refused."""

_RESERVED = frozenset([*_MAILBOXES.split(), *_AUTHORITIES.split()])
_BESIDE_RESERVED = frozenset(_FILLERS.split())
_LAST_LABELS = frozenset(_ZONES.split())


def normalize_username(text: str) -> str:
    """Return the username as typed, without surrounding white space. Comparisons ignore case.

    Raises `username_invalid`. A username contains no @, so a login is either an address or a username.
    """
    text = text.strip()
    if not _USERNAME.fullmatch(text):
        raise Refusal(
            ErrorCode.USERNAME_INVALID,
            "A username must have 3 to 32 letters (a to z), digits, dots, underscores or hyphens, "
            "and must begin and end with a letter or a digit.",
            field="username",
        )
    return text


def accept_username(text: str, *, product: str = "") -> str:
    """Like `normalize_username`, for a name that a user chooses: it must not look like the service, the `product` or
    a domain. Raises `username_invalid`.

    Operators may create users with such names, and logins accept them.
    """
    username = normalize_username(text)
    if _is_reserved(username.lower(), product):
        raise Refusal(ErrorCode.USERNAME_INVALID, "This username is reserved. Choose another.", field="username")
    if _is_domain(username.lower()):
        raise Refusal(
            ErrorCode.USERNAME_INVALID, "A username must not look like a domain. Choose another.", field="username"
        )
    return username


def _is_reserved(name: str, product: str) -> bool:
    parts = re.findall("[a-z0-9]+", product.lower())
    products = {"latchkey", "".join(parts)} - {""}
    reserved = _RESERVED | products
    known = reserved | _BESIDE_RESERVED | set(parts)
    for spelling in (name, name.translate(_LOOK_ALIKE)):
        words = _SEPARATOR.split(spelling)
        joined = "".join(words)
        around = {half for it in products for half in (joined.removeprefix(it), joined.removesuffix(it))} - {joined}
        if joined in reserved or around & known or (len(words) > 1 and known.issuperset(words)):
            return True
    return False


def _is_domain(name: str) -> bool:
    """Whether the name looks like a domain. `first.last` does not."""
    *before, last = name.split(".")
    if not before:
        return "xn--" in name
    return last in _LAST_LABELS or (len(last) == 2 and last.isalpha()) or before[0] == "www" or "xn--" in name
