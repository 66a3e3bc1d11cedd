"""Addresses and usernames: what is accepted, and the one form in which it is kept."""

import re

from domain.refusals import Code, Refusal

_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,30}[A-Za-z0-9]")


def normal_email(text: str, *, field: str = "email") -> str:
    """The address in lower case. Raises `email_invalid`, for the field that it stood in.

    Only the plain form is taken: a dot-atom (RFC 5322 section 3.2.3) at a domain of two labels or more. It is ASCII
    on purpose, so that no two addresses differ by a look-alike; an international domain comes as A-labels (`xn--`).
    """
    # The length is looked at first (RFC 5321 section 4.5.3.1): nothing below sees more than 254 characters.
    if len(text) > 254 or not text.isascii():
        raise _email_invalid(field)
    address = text.lower()
    local, _, domain = address.rpartition("@")
    labels = domain.split(".")
    if len(local) > 64 or not _LOCAL.fullmatch(local):
        raise _email_invalid(field)
    if len(labels) < 2 or labels[-1].isdigit() or not all(map(_LABEL.fullmatch, labels)):
        raise _email_invalid(field)
    return address


def normal_username(text: str) -> str:
    """The username as it was typed; upper and lower case are the same when names are compared.

    Raises `username_invalid`. A username never looks like an address, so a login is one or the other.
    """
    if not _USERNAME.fullmatch(text):
        raise Refusal(
            Code.USERNAME_INVALID,
            "A username has 3 to 32 letters (a to z), digits, dots, underscores or hyphens; "
            "it begins and ends with a letter or a digit.",
            field="username",
        )
    return text


def _email_invalid(field: str) -> Refusal:
    return Refusal(Code.EMAIL_INVALID, "This is not an e-mail address that can be used here.", field=field)
