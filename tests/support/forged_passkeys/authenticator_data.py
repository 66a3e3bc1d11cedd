"""Forgeries of authenticator data: the site, the flags, and what follows them."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import cbor2

from tests.support.authenticator import (
    ATTESTED,
    BACKED_UP,
    BACKUP_ELIGIBLE,
    EXTENDED,
    USER_PRESENT,
    USER_VERIFIED,
    Assertion,
    Creation,
)
from tests.support.forged_passkeys.forgery import (
    Forgery,
    Parts,
    data,
    data_bytes,
    flags,
    flipped,
    in_both,
)
from tests.support.passkeys import ORIGIN, RP_ID

_HASH = sha256(RP_ID.encode()).digest()


def _hash(change: Callable[[bytes], bytes]) -> Parts:
    return data_bytes(lambda body: change(body[:32]) + body[32:])


def _first(size: int) -> Parts:
    return data_bytes(lambda body: body[:size])


def _extensions(encoded: bytes) -> Parts:
    return flags(lambda old: old | EXTENDED, extensions=encoded)


def _attested_at_login(response: Creation | Assertion) -> None:
    """A whole new credential in an assertion."""
    response.data = replace(
        response.data,
        flags=response.data.flags | ATTESTED,
        aaguid=bytes(16),
        credential_id=response.passkey.id,
        public_key=cbor2.dumps({1: 1, 3: -8, -1: 6, -2: bytes(31) + b"\x01"}),
    )


_SITES = in_both(
    "rpIdHash",
    {
        **{
            f"of {name}": data(rp_id=name)
            for name in ("evil.example", "accounts.example.org", "org", ORIGIN, "EXAMPLE.ORG", "example.org.", "")
        },
        "zero": _hash(lambda _: bytes(32)),
        "one bit changed": _hash(lambda old: flipped(old, 0)),
        "last bit changed": _hash(lambda old: flipped(old, 31)),
        "reversed": _hash(lambda old: old[::-1]),
        "name instead of hash": _hash(lambda _: RP_ID.encode().ljust(32, b"\0")),
        "as text": _hash(lambda old: old.hex().encode()),
    },
)
_PRESENCE = in_both(
    "UP",
    {
        "user not present": flags(lambda old: old & ~USER_PRESENT),
        "neither present nor verified": flags(lambda old: old & ~USER_PRESENT & ~USER_VERIFIED),
        "no flag": flags(lambda _: 0),
    },
)
_VERIFICATION = [
    Forgery(kind="UV", name=name, step=step, parts=parts, reason="not_verified" if step == "registration" else None)
    for step in ("registration", "login")
    for name, parts in {
        "user not verified": flags(lambda old: old & ~USER_VERIFIED),
        "not verified, reserved bits set": flags(lambda old: old & ~USER_VERIFIED | 0x22),
        "not verified, synchronized": flags(lambda old: old & ~USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP),
    }.items()
]
_BACKUP = in_both(
    "BS without BE",
    {
        "backed up only": flags(lambda old: old | BACKED_UP),
        "and extensions": flags(lambda old: old | BACKED_UP | EXTENDED, extensions=b"\xa0"),
        "and reserved bits": flags(lambda old: old | BACKED_UP | 0x22),
    },
)
_LAYOUT = in_both(
    "authenticator data layout",
    {
        **{f"first {size} bytes": _first(size) for size in (0, 1, 31, 32, 33, 36)},
        "a byte too many": data_bytes(lambda body: body + b"\0"),
        "a CBOR map too many": data_bytes(lambda body: body + b"\xa0"),
        "twice": data_bytes(lambda body: body + body),
        "a byte before": data_bytes(lambda body: b"\0" + body),
        "ED without extensions": flags(lambda old: old | EXTENDED),
        "extensions without ED": flags(lambda old: old, extensions=b"\xa0"),
        "AT changed": flags(lambda old: old ^ ATTESTED),
        "extensions of a kilobyte of zeros": _extensions(bytes(1024)),
    },
)
_EXTENSIONS = in_both(
    "extensions",
    {
        "list": _extensions(b"\x80"),
        "number": _extensions(b"\x01"),
        "text": _extensions(b"\x61a"),
        "null": _extensions(b"\xf6"),
        "tag": _extensions(b"\xc1\xa0"),
        "regular expression": _extensions(b"\xd8\x23\x61a"),
        "indefinite map": _extensions(b"\xbf\xff"),
        "repeated key": _extensions(b"\xa2\x61a\x01\x61a\x02"),
        "truncated": _extensions(b"\xa1\x61a"),
        "long form": _extensions(b"\xb8\x00"),
        "two maps": _extensions(b"\xa0\xa0"),
        "deeply nested": _extensions(b"\xa1\x61a" + b"\x81" * 5000 + b"\x00"),
        "huge length": _extensions(b"\xbb" + b"\xff" * 8),
        "huge fraction": _extensions(b"\xa1\x61a\xc4\x82\x1b" + b"\x7f" * 8 + b"\x01"),
    },
)
_ATTESTED = [
    Forgery(kind="attested credential", name="in an assertion", step="login", parts=_attested_at_login),
    *(
        Forgery(
            kind="attested credential",
            name=f"cut off after {size} bytes",
            step="registration",
            parts=_first(size),
        )
        for size in (37, 38, 52, 53, 54, 55, 70, 86, 87, 88, 120, 162)
    ),
    *(
        Forgery(
            kind="attested credential",
            name=f"id of {size} bytes",
            step="registration",
            parts=data(credential_id=bytes(range(256)) * (size // 256) + bytes(range(size % 256))),
        )
        for size in (1, 8, 15, 1024, 2000)
    ),
    Forgery(
        kind="attested credential",
        name="length of the id too large",
        step="registration",
        parts=data_bytes(lambda body: body[:53] + b"\xff\xff" + body[55:]),
    ),
    Forgery(
        kind="attested credential",
        name="length of the id too small",
        step="registration",
        parts=data_bytes(lambda body: body[:53] + b"\x00\x10" + body[55:]),
    ),
    Forgery(
        kind="attested credential",
        name="without id",
        step="registration",
        parts=data_bytes(lambda body: body[:53] + b"\x00\x00" + body[87:]),
    ),
]

FORGERIES: list[Forgery] = _SITES + _PRESENCE + _VERIFICATION + _BACKUP + _LAYOUT + _EXTENSIONS + _ATTESTED
