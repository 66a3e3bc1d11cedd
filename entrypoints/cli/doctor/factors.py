"""Checks second factors: the domain of passkeys, the keys of TOTP secrets, and whether users can add factors."""

from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlsplit

from sqlalchemy import text

from adapters.factors.aes_gcm_box import HEADER_LENGTH, header
from adapters.postgres.database import Database
from domain.role import Role
from entrypoints.cli.doctor.findings import Finding
from entrypoints.settings import Settings
from entrypoints.settings.factors import is_domain

PART = "factors"

_OPEN = text("SELECT EXISTS (SELECT FROM factor_enrolment)")
_SECRETS = text("""
SELECT substring(encrypted_secret FROM 1 FOR :length) AS header, count(*) AS secrets
FROM factors WHERE encrypted_secret IS NOT NULL GROUP BY 1
""")


async def check_factors(settings: Settings) -> AsyncIterator[Finding]:
    yield judge_domain(settings)
    database = Database(settings.database_url, pool_size=1, deadline=5, application="latchkey doctor")
    try:
        async with database.connection() as connection:
            is_open = await connection.fetch_value(_OPEN)
            secrets = {
                row["header"]: row["secrets"] for row in await connection.fetch(_SECRETS, length=HEADER_LENGTH)
            }
    except Exception:  # the database check reports what is wrong
        return
    finally:
        await database.close()
    yield judge_secrets(secrets, settings.encryption_keys)
    yield judge_enrolment(bool(is_open), settings.factor_required_from)


def judge_domain(settings: Settings) -> Finding:
    domain, public = settings.passkey_domain, urlsplit(settings.public_url)
    if not is_domain(domain):
        return Finding.warning(
            PART,
            f"passkeys do not work at {settings.public_url}, because browsers accept a domain only and no IP address:"
            " set LATCHKEY_PUBLIC_URL to a domain",
        )
    if public.scheme != "https" and public.hostname != "localhost":
        return Finding.warning(
            PART, f"passkeys do not work at {settings.public_url}: browsers allow them at https:// and localhost only"
        )
    return Finding.ok(PART, f"passkeys belong to {domain}, at {', '.join(settings.all_passkey_origins)}")


def judge_secrets(secrets: Mapping[bytes, int], keys: Sequence[bytes]) -> Finding:
    """`secrets` counts the stored TOTP secrets by their header. `keys` go from newest to oldest."""
    counts = [secrets.get(header(key), 0) for key in keys]
    lost = sum(secrets.values()) - sum(counts)
    if lost:
        return Finding.error(
            PART,
            f"the keys of {_secrets(lost)} are not in LATCHKEY_ENCRYPTION_KEYS, so codes are refused: add the keys;"
            " `encryption-keys rotate` lists the factors",
        )
    if not keys:
        return Finding.warning(PART, "users cannot add authenticator apps: set LATCHKEY_ENCRYPTION_KEYS")
    if older := sum(counts[1:]):
        return Finding.warning(PART, f"{_secrets(older)} under an older key: run `encryption-keys rotate`")
    unused = ""
    if len(keys) > 1:
        unused = f"; {'1 older key encrypts' if len(keys) == 2 else f'{len(keys) - 1} older keys encrypt'} nothing"
    return Finding.ok(PART, f"{_secrets(counts[0])} under the newest key{unused}")


def judge_enrolment(is_open: bool, required_from: Role | None) -> Finding:
    if is_open:
        return Finding.ok(PART, "users can add second factors")
    how = "once all API processes run this version, run `factors enable`"
    if required_from is not None:
        return Finding.error(
            PART, f"LATCHKEY_REQUIRE_FACTOR locks users out, because they cannot add second factors yet: {how}"
        )
    return Finding.warning(PART, f"users cannot add second factors yet, and invitations cannot be sent: {how}")


def _secrets(count: int) -> str:
    return "1 TOTP secret" if count == 1 else f"{count} TOTP secrets"
