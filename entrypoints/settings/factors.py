"""Settings of second factors: passkeys, encryption of TOTP secrets, and when a factor is required."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from domain.role import Role
from entrypoints.settings.development_secrets import encryption_keys
from entrypoints.settings.product import LABEL, over_https
from entrypoints.settings.reader import SettingsReader
from entrypoints.settings.server import origins
from entrypoints.settings.setting import seconds, setting, words
from entrypoints.settings.tokens import secrets

_DOMAIN = re.compile(rf"{LABEL}(?:\.{LABEL})*")
_PUBLIC_SUFFIX = re.compile(r"[^.]+|(?:ac|co|com|edu|gov|net|org)\.[a-z]{2}")
"""Domains under which anyone can register a name. The complete list (publicsuffix.org) is in browsers."""
_ANDROID = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")


def is_domain(host: str) -> bool:
    """Whether it is a name and not an IP address."""
    return bool(_DOMAIN.fullmatch(host)) and len(host) <= 253 and not host.rpartition(".")[2].isdigit()


def rp_id(text: str) -> str:
    """Parse the domain that passkeys belong to (WebAuthn Level 3, section 5.1.2)."""
    if not is_domain(text):
        raise ValueError("must be a domain, such as example.org")
    return text


def passkey_origins(text: str) -> tuple[str, ...]:
    """Parse origins of pages, and of Android apps: the hash of the certificate that signs the app."""
    apps = [word for word in words(text) if _ANDROID.fullmatch(word)]
    try:
        pages = origins(",".join(word for word in words(text) if word not in apps))
    except ValueError:
        pages = ("",)
    if any(urlsplit(page).scheme not in {"https", "http"} for page in pages):
        raise ValueError("must be a list of origins: https://app.example.org, android:apk-key-hash:…")
    return tuple(dict.fromkeys((*pages, *apps)))


def origins_over_https(origins: Sequence[str]) -> None:
    for origin in origins:
        if not origin.startswith("android:"):
            over_https(origin)


def required_role(text: str) -> Role | None:
    if text == "off":
        return None
    try:
        return Role(text)
    except ValueError:
        raise ValueError("must be off, admin, moderator or member") from None


def conflicts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each setting that does not fit another one, and why. `values` holds None for a value with a problem."""
    domain, host = values["rp_id"], urlsplit(values["public_url"] or "").hostname
    if domain and host and domain != host:
        if not host.endswith(f".{domain}"):
            yield "RP_ID", f"must be the host of LATCHKEY_PUBLIC_URL ({host}), or a domain above it"
        elif _PUBLIC_SUFFIX.fullmatch(domain):
            yield "RP_ID", "must not be a public suffix such as com or co.uk, which browsers refuse"
    try:
        require_other_keys(values["encryption_keys"] or (), values["secret_keys"] or ())
    except ValueError as error:
        yield "ENCRYPTION_KEYS", str(error)


def require_other_keys(encryption_keys: Sequence[bytes], secret_keys: Sequence[bytes]) -> None:
    """Raises ValueError if an encryption key is one of the secret keys."""
    if set(encryption_keys) & set(secret_keys):
        raise ValueError("must not be the LATCHKEY_SECRET_KEY, which is replaced after a backup is restored")


def _made_keys(reader: SettingsReader) -> tuple[bytes, ...]:
    return secrets(encryption_keys(reader.data_dir).read_text())


@dataclass(frozen=True, kw_only=True, repr=False)
class Factors:
    rp_id: str | None = setting(
        "RP_ID",
        "domain that passkeys belong to: the host of `LATCHKEY_PUBLIC_URL` or a domain above it. Passkeys stop"
        " working if it changes",
        parse=rp_id,
        optional=True,
        shown="host of `LATCHKEY_PUBLIC_URL`",
    )
    passkey_origins: tuple[str, ...] = setting(
        "PASSKEY_ORIGINS",
        "list of origins that use passkeys, beside that of `LATCHKEY_PUBLIC_URL`: `https://app.example.org`, or of an"
        " Android app `android:apk-key-hash:…`",
        parse=passkey_origins,
        check=origins_over_https,
        default=(),
    )
    encryption_keys: tuple[bytes, ...] = setting(
        "ENCRYPTION_KEYS",
        "at least 32 random bytes, which encrypt TOTP secrets. In a list the first one encrypts and all decrypt. A"
        " file (`LATCHKEY_ENCRYPTION_KEYS_FILE`) is checked for changes every second. Not the `LATCHKEY_SECRET_KEY`",
        parse=secrets,
        default=(),
        development=_made_keys,
        shown="none: no authenticator apps (made in development)",
    )
    step_up_ttl: timedelta = setting(
        "STEP_UP_TTL",
        "seconds for which an authentication counts as fresh",
        parse=seconds(most=timedelta(hours=1)),
        default=timedelta(minutes=5),
    )
    factor_required_from: Role | None = setting(
        "REQUIRE_FACTOR",
        "users with this role or a higher one must have a second factor: `off`, `admin`, `moderator` or `member`",
        parse=required_role,
        optional=True,
        shown="`off`",
    )
