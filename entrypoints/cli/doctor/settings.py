"""Checks settings: unknown names, weak values, and values that are meant for development."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from entrypoints.cli.doctor.findings import Finding
from entrypoints.listening import LOOPBACK_HOSTS
from entrypoints.settings import Settings
from entrypoints.settings.server import too_wide

PART = "settings"
_RANGE = re.compile(r"[0-9A-Fa-f]{5}(\.txt)?")


def check_settings(settings: Settings) -> Iterator[Finding]:
    public = urlsplit(settings.public_url)
    production = not settings.development
    if production:
        yield Finding.ok(
            PART, f"production, {'one process' if settings.processes == 1 else f'{settings.processes} processes'}"
        )
    elif public.hostname not in LOOPBACK_HOSTS:
        yield Finding.error(
            PART,
            f"development, where anyone can read every mail, but served as {settings.public_url}:"
            " set LATCHKEY_ENV=production",
        )
    elif settings.host not in LOOPBACK_HOSTS:
        yield Finding.warning(
            PART,
            f"development, where anyone can read every mail, listening on {settings.host}:"
            " make sure that only you can reach it, or set LATCHKEY_ENV=production",
        )
    else:
        yield Finding.ok(PART, "development, for this machine alone")
    for name in settings.unknown:
        yield Finding.warning(
            PART, f"{name} is not a known setting: see docs/operations.md for its name, or remove it"
        )
    for name in settings.service_links:
        yield Finding.warning(
            PART,
            f"{name} is set by Kubernetes or Docker for a service of this name, and ignored:"
            " `enableServiceLinks: false` in the pod stops that",
        )
    if settings.password_min_length < 15:
        yield Finding.warning(
            PART,
            f"LATCHKEY_PASSWORD_MIN_LENGTH is {settings.password_min_length}: without a second factor, a"
            " password should have at least 15 characters (NIST SP 800-63B-4)",
        )
    if settings.breached_passwords is not None:
        yield _breached(settings.breached_passwords)
    if not settings.rate_limits:
        yield Finding.warning(PART, "LATCHKEY_RATE_LIMITS is off: passwords can be guessed without any limit")
    for origin in settings.protected_origins:
        if urlsplit(origin).hostname != public.hostname:
            yield Finding.warning(
                PART,
                f"LATCHKEY_PROTECTED_ORIGINS has {origin}: browsers send the session cookie to {public.hostname}"
                " only, so people cannot sign in for it; use that host with another port",
            )
        elif origin == f"{public.scheme}://{public.netloc}":
            yield Finding.warning(
                PART,
                f"LATCHKEY_PROTECTED_ORIGINS has {origin}, the origin of Latchkey: scripts of a service there can act"
                " for its visitors; use another port unless you trust it like Latchkey",
            )
    yield from _proxies(settings, behind_one=public.scheme == "https")
    if settings.smtp_url is None and settings.mail_dir is None:
        yield Finding.error(PART, "no mail server is set, so workers do not start: set LATCHKEY_SMTP_URL")
    elif settings.smtp_url is None and production:
        yield Finding.warning(PART, "mail is only written to LATCHKEY_MAIL_DIR and not sent: set LATCHKEY_SMTP_URL")


def _breached(folder: Path) -> Finding:
    try:
        with os.scandir(folder) as files:
            known = any(_RANGE.fullmatch(file.name) and os.access(file, os.R_OK) for file in files)
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    else:
        if known:
            return Finding.ok(PART, f"new passwords are looked up in {folder}")
        why = "has no range files that can be read, such as 21BD1 or 21BD1.txt"
    return Finding.warning(PART, f"LATCHKEY_BREACHED_PASSWORDS: {folder} {why}, so no breached password is refused")


def _proxies(settings: Settings, *, behind_one: bool) -> Iterator[Finding]:
    if behind_one and not settings.trusted_proxies:
        yield Finding.warning(
            PART,
            "no LATCHKEY_TRUSTED_PROXIES: behind the HTTPS proxy all clients have the proxy's address and share"
            " one rate limit",
        )
    for network in settings.trusted_proxies:
        if too_wide(network):
            yield Finding.error(
                PART,
                f"LATCHKEY_TRUSTED_PROXIES trusts {network}: clients could forge their IP addresses; list only the"
                " proxies. Production refuses it",
            )
