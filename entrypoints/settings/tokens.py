"""Settings of tokens and sessions: keys and lifetimes."""

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from entrypoints.settings.development_secrets import secret_key, signing_keys
from entrypoints.settings.files import in_root
from entrypoints.settings.reader import SettingsReader
from entrypoints.settings.setting import seconds, setting, whole_number, words

LONGEST_ACCESS = timedelta(hours=1)
LONGEST_KEY_DELAY = timedelta(minutes=10)
_STRING_OR_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+|[!-9;-~]+")
_LONGEST_AUDIENCE = 1000
_WORDS = ("secret", "change", "insecure", "password", "example", "replace", "default", "(?:^|[ ._-])your[ ._-]")
# Words this long and regular occur in about one of a hundred million random secrets in base64.
_SAYS = re.compile("|".join(f"{word}|{word.title()}|{word.upper()}" for word in _WORDS).encode())
_ROWS = (b"abcdefghijklmnopqrstuvwxyz", b"01234567890", b"qwertyuiop", b"asdfghjkl", b"zxcvbnm")
_STEPS = {step for row in (*_ROWS, *(row[::-1] for row in _ROWS)) for step in pairwise(row)}


def secrets(text: str) -> tuple[bytes, ...]:
    """Parse the list of secrets. The first signs, all verify."""
    keys = tuple(word.encode() for word in words(text))
    if len(set(keys)) != len(keys) or not keys:
        raise ValueError("must be a list of different secrets")
    for key in keys:
        if len(key) < 32 or _is_plain(key):
            raise ValueError("each secret must be at least 32 random bytes, such as `openssl rand -hex 32` prints")
    return keys


def _is_plain(key: bytes) -> bool:
    """Whether the secret was typed or is an example: 32 random bytes do not look like this."""
    half, steps = len(key) / 2, list(pairwise(key.lower()))
    few = len(set(key)) < 10 or max(map(key.count, set(key))) > half
    repeats = key in (key + key)[1:-1]
    return few or repeats or sum(step in _STEPS for step in steps) > half or bool(_SAYS.search(key))


def key_files(text: str) -> Path:
    from adapters.tokens.key_files import usable_keys

    path = in_root(text)
    usable_keys(path)
    return path


def audience(text: str) -> tuple[str, ...]:
    """Parse names or URIs (RFC 7519 section 2: a value with a colon is a URI). Each token contains all of them."""
    names = tuple(dict.fromkeys(words(text)))
    for name in names:
        if not _STRING_OR_URI.fullmatch(name):
            raise ValueError("must be a list of names or URIs, such as https://api.example.org, notes")
    if sum(map(len, names)) > _LONGEST_AUDIENCE:
        raise ValueError(f"must have at most {_LONGEST_AUDIENCE} characters together: every token carries it")
    return names


def _made_secret(reader: SettingsReader) -> tuple[bytes, ...]:
    return (secret_key(reader.data_dir),)


def _made_keys(reader: SettingsReader) -> Path:
    return signing_keys(reader.data_dir)


@dataclass(frozen=True, kw_only=True, repr=False)
class Tokens:
    secret_keys: tuple[bytes, ...] = setting(
        "SECRET_KEY",
        "at least 32 random bytes. In a list the first one signs and all verify",
        parse=secrets,
        development=_made_secret,
        shown="made in development",
    )
    signing_keys: Path = setting(
        "SIGNING_KEYS",
        "PEM file or, to rotate, folder of `*.pem` files (P-256, Ed25519, or RSA of 2048 bits and more), checked for"
        " changes every second. The newest by name signs, all verify",
        parse=key_files,
        development=_made_keys,
        shown="made in development",
    )
    key_delay: timedelta = setting(
        "KEY_DELAY",
        "seconds for which a new key verifies before it signs, because other verifiers reload the key set about every"
        " half minute; more if a mount is slower",
        parse=seconds(most=LONGEST_KEY_DELAY),
        default=timedelta(seconds=60),
        development=timedelta(seconds=5),
    )
    audience: tuple[str, ...] = setting(
        "AUDIENCE",
        "list of additional audiences of access tokens: names or URIs in `aud`, beside `LATCHKEY_PUBLIC_URL`. Set it"
        " after all processes run 0.3",
        parse=audience,
        default=(),
    )
    access_ttl: timedelta = setting(
        "ACCESS_TTL",
        "lifetime of an access token in seconds; at most 3600",
        parse=seconds(most=LONGEST_ACCESS),
        default=timedelta(minutes=10),
    )
    refresh_ttl: timedelta = setting(
        "REFRESH_TTL",
        "seconds after which an idle session expires",
        parse=seconds(),
        default=timedelta(days=7),
        shown="604800 (7 days)",
    )
    session_ttl: timedelta = setting(
        "SESSION_TTL",
        "maximum age of a session in seconds",
        parse=seconds(),
        default=timedelta(days=30),
        shown="2592000 (30 days)",
    )
    max_sessions: int = setting(
        "MAX_SESSIONS",
        "active sessions of one user; a new session ends the oldest",
        parse=whole_number(1, 1000),
        default=100,
    )
