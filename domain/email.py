"""E-mail addresses: which are accepted, and their normal form."""

import re

from domain.refusals import ErrorCode, Refusal

_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INTERNATIONAL = re.compile(r"@[\w.-]+\Z")
_NOT_ASCII = (
    "The domain of an e-mail address must be ASCII. Write an international domain as A-labels, which begin with xn--."
)


def normalize_email(text: str, *, field: str = "email") -> str:
    """Return the address in lower case, without surrounding white space. Raises `email_invalid` for `field`.

    Accepts a dot-atom (RFC 5322 section 3.2.3) at a domain of two labels or more. Only ASCII is accepted, so that no
    two addresses look alike. International domains are written as A-labels (`xn--`).
    """
    # The length (RFC 5321 section 4.5.3.1) is checked first, to bound the work of the patterns.
    text = text.strip()
    if len(text) <= 254 and _INTERNATIONAL.search(text) and not text.rpartition("@")[2].isascii():
        raise Refusal(ErrorCode.EMAIL_INVALID, _NOT_ASCII, field=field)
    if len(text) > 254 or not text.isascii():
        raise _email_invalid(field)
    email = text.lower()
    local, _, domain = email.rpartition("@")
    labels = domain.split(".")
    if len(local) > 64 or not _LOCAL.fullmatch(local):
        raise _email_invalid(field)
    if len(labels) < 2 or labels[-1].isdigit() or not all(map(_LABEL.fullmatch, labels)):
        raise _email_invalid(field)
    return email


def _email_invalid(field: str) -> Refusal:
    return Refusal(ErrorCode.EMAIL_INVALID, "This is not a valid e-mail address.", field=field)


def redact_emails(note: str) -> str:
    """The note without e-mail addresses, for logs."""
    return re.sub(r"\S*@\S*", "…", note)
