"""Settings of second factors: passkeys, encryption of TOTP secrets, and when a factor is required."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from domain.role import Role
from entrypoints.settings.development_secrets import encryption_key
from entrypoints.settings.reader import SettingsReader
from entrypoints.settings.setting import seconds, setting, words
from entrypoints.settings.tokens import secrets


def rp_id(text: str) -> str:
    """Parse the domain that passkeys belong to (WebAuthn Level 3, section 5.1.2)."""
    if text != text.lower() or urlsplit(f"https://{text}").hostname != text or text.replace(".", "").isdigit():
        raise ValueError("must be a domain, such as example.org")
    return text


def origins(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(words(text)))
    for origin in found:
        parts = urlsplit(origin)
        if parts.scheme not in {"https", "http"} or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError("must be a list of origins, such as https://app.example.org")
    return found


def required_role(text: str) -> Role | None:
    if text == "off":
        return None
    try:
        return Role(text)
    except ValueError:
        raise ValueError("must be off, admin, moderator or member") from None


def _made_key(reader: SettingsReader) -> tuple[bytes, ...]:
    return (encryption_key(reader.data_dir),)


@dataclass(frozen=True, kw_only=True, repr=False)
class Factors:
    rp_id: str | None = setting(
        "RP_ID",
        "domain that passkeys belong to, and all its subdomains. Passkeys stop working if it changes",
        parse=rp_id,
        optional=True,
        shown="host of `LATCHKEY_PUBLIC_URL`",
    )
    passkey_origins: tuple[str, ...] = setting(
        "PASSKEY_ORIGINS",
        "list of origins of pages that use passkeys, beside that of `LATCHKEY_PUBLIC_URL`",
        parse=origins,
        default=(),
    )
    encryption_keys: tuple[bytes, ...] = setting(
        "ENCRYPTION_KEYS",
        "at least 32 random bytes, which encrypt TOTP secrets. In a list the first one encrypts and all decrypt",
        parse=secrets,
        development=_made_key,
        shown="made in development",
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
