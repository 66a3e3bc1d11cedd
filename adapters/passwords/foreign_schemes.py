"""The hashes of other systems that Latchkey verifies: one scheme a line or a few."""

import re
from functools import partial

from adapters.passwords.foreign_digests import (
    bcrypted,
    bcrypted_sha256,
    better_auth,
    firebase,
    from_base64,
    hashed,
    md5_crypted,
    pbkdf2,
    scrypt,
)
from adapters.passwords.foreign_hash import (
    ForeignHash,
    Scheme,
    bcrypt_cost,
    better_auth_cost,
    fast,
    nfkc,
    pbkdf2_cost,
    scrypt_cost,
)


def parse_foreign(text: str) -> ForeignHash | None:
    """None for a hash that is unknown, malformed, or too expensive to compute."""
    if len(text) in _BARE and _HEX.fullmatch(text):
        text = f"{_BARE[len(text)]}$${text}"
    return next(filter(None, (ForeignHash.parse(scheme, text) for scheme in SCHEMES)), None)


def parse_settings(text: str) -> ForeignHash | None:
    """The same for the settings of a hash, without its tag."""
    return next(filter(None, (ForeignHash.parse(scheme, text, tag="") for scheme in SCHEMES)), None)


def _base64(size: int) -> str:
    """Exactly so many bytes, without padding."""
    return f"[A-Za-z0-9./+]{{{(size * 8 + 5) // 6}}}"


def _hex(size: int) -> str:
    return f"[0-9a-fA-F]{{{2 * size}}}"


_HEX = re.compile(r"[0-9a-fA-F]+")
_BARE = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_TEXT = r"(?P<salt>[!-#%-~]{1,128})"
_TEXT_OR_NONE = r"(?P<salt>[!-#%-~]{0,128})"
_BASE64 = r"(?P<salt64>[A-Za-z0-9./+]{0,1024}={0,2})"
_ROUNDS = r"(?P<rounds>[1-9]\d{0,7})"
_N, _LN = r"(?P<n>[1-9]\d{0,6})", r"(?P<log_n>[1-9]\d?)"
_R, _P = r"(?P<r>[1-9]\d{0,6})", r"(?P<p>[1-9]\d{0,6})"
# The last character of a salt or a tag has spare bits, which bcrypt and md5-crypt leave zero.
_BCRYPT = r"(?P<salt>\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{21}[.Oeu])"
_BCRYPT_TAG = r"[./A-Za-z0-9]{30}[.CGKOSWaeimquy26]"
_MD5_CRYPT_TAG = r"[./A-Za-z0-9]{21}[./01]"
_SEPARATOR = r"(?P<separator64>[A-Za-z0-9+/]{0,64}={0,2})"
_SIGNER = rf"(?P<signer64>{_base64(64)}==)"

SCHEMES = (
    # bcrypt, bare or as Django writes it.
    Scheme(rf"(?:bcrypt\$)?{_BCRYPT}", _BCRYPT_TAG, str.encode, bcrypted, bcrypt_cost),
    Scheme(rf"bcrypt_sha256\${_BCRYPT}", _BCRYPT_TAG, str.encode, bcrypted_sha256, bcrypt_cost),
    # Django (django/contrib/auth/hashers.py).
    Scheme(rf"pbkdf2_(?P<hash>sha256)\${_ROUNDS}\${_TEXT}\$", f"{_base64(32)}=", from_base64, pbkdf2, pbkdf2_cost),
    Scheme(rf"pbkdf2_(?P<hash>sha1)\${_ROUNDS}\${_TEXT}\$", f"{_base64(20)}=", from_base64, pbkdf2, pbkdf2_cost),
    Scheme(
        rf"scrypt\${_N}\${_TEXT}\${_R}\${_P}\$",
        f"{_base64(64)}==",
        from_base64,
        partial(scrypt, size=64),
        scrypt_cost,
    ),
    # passlib (passlib/handlers/pbkdf2.py, scrypt.py).
    Scheme(rf"\$pbkdf2\${_ROUNDS}\${_BASE64}\$", _base64(20), from_base64, pbkdf2, pbkdf2_cost),
    Scheme(rf"\$pbkdf2-(?P<hash>sha256)\${_ROUNDS}\${_BASE64}\$", _base64(32), from_base64, pbkdf2, pbkdf2_cost),
    Scheme(rf"\$pbkdf2-(?P<hash>sha512)\${_ROUNDS}\${_BASE64}\$", _base64(64), from_base64, pbkdf2, pbkdf2_cost),
    Scheme(
        rf"\$scrypt\$ln={_LN},r={_R},p={_P}\${_BASE64}\$",
        _base64(32),
        from_base64,
        partial(scrypt, size=32),
        scrypt_cost,
    ),
    # Firebase, as Supabase keeps it (supabase/auth, internal/crypto/password.go).
    Scheme(
        rf"\$fbscrypt\$v=1,n={_LN},r={_R},p={_P}(?:,ss={_SEPARATOR})?,sk={_SIGNER}\${_BASE64}\$",
        f"{_base64(64)}==",
        from_base64,
        firebase,
        scrypt_cost,
    ),
    # better-auth (@better-auth/utils, src/password.ts).
    Scheme(
        "(?P<salt>[0-9a-f]{32}):",
        "[0-9a-f]{128}",
        bytes.fromhex,
        better_auth,
        better_auth_cost,
        normalize=nfkc,
    ),
    # Weak: hexadecimal digests with or without a salt before them; md5-crypt, and Apache's.
    Scheme(rf"(?P<hash>md5)\${_TEXT_OR_NONE}\$", _hex(16), bytes.fromhex, hashed, fast),
    Scheme(rf"(?P<hash>sha1)\${_TEXT_OR_NONE}\$", _hex(20), bytes.fromhex, hashed, fast),
    Scheme(r"(?P<hash>sha256)\$(?P<salt>)\$", _hex(32), bytes.fromhex, hashed, fast),
    Scheme(r"(?P<hash>sha512)\$(?P<salt>)\$", _hex(64), bytes.fromhex, hashed, fast),
    Scheme(
        r"(?P<magic>\$(?:1|apr1)\$)(?P<salt>[./A-Za-z0-9]{0,8})\$",
        _MD5_CRYPT_TAG,
        str.encode,
        md5_crypted,
        fast,
    ),
)
"""The first scheme that matches wins. A bare hexadecimal digest is read as one with its name and no salt."""
