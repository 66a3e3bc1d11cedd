"""Factories for objects that need more than a constructor call."""

import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from adapters.caller import Caller, current_caller, serve
from adapters.factors.encryption_keys import ReloadingKeys
from adapters.mail.jinja_composer import JinjaComposer
from adapters.mail.smtp_url import parse_smtp_url
from adapters.memory_rate_limiter import MemoryRateLimiter
from adapters.no_rate_limiter import NoRateLimiter
from adapters.passwords.argon2_hasher import Argon2Hasher
from adapters.passwords.breached_passwords import BreachedPasswords
from adapters.passwords.zxcvbn_wordlist import ZxcvbnWordlist
from adapters.postgres.deadline import start_deadline
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.redis.blocklist import RedisBlocklist
from adapters.redis.rate_limiter import RedisRateLimiter
from adapters.tokens.jwt_codec import JwtCodec
from adapters.tokens.key_store import ReloadingKeyStore
from application.factors.ports import Passkeys
from application.mail.ports import Mailer
from application.ports import Clock
from application.texts.ports import Translations
from domain.password import PasswordPolicy
from entrypoints.settings import LONGEST_ACCESS, Settings
from entrypoints.settings.factors import require_other_keys
from entrypoints.settings.tokens import secrets as parse_secrets


def now() -> datetime:
    return datetime.now(UTC)


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def start_request(ip: str, hung_up: Callable[[], Awaitable[None]]) -> None:
    """From here on this task serves a client, and its waits for the database share one deadline."""
    start_deadline()
    serve(Caller(ip=ip, hung_up=hung_up))


def set_request_user(user_id: UUID) -> None:
    """The client of this task is authenticated."""
    if (caller := current_caller()) is not None:
        caller.user = user_id


def make_passkeys(settings: Settings) -> Passkeys:
    # Only logins and enrolments use it; a process without them saves six megabytes.
    from adapters.factors.webauthn_passkeys import WebauthnPasskeys

    return WebauthnPasskeys(
        rp_id=settings.passkey_domain, rp_name=settings.name, origins=settings.all_passkey_origins
    )


def make_encryption_keys(settings: Settings) -> ReloadingKeys:
    def parse(text: str) -> Sequence[bytes]:
        keys = parse_secrets(text)
        require_other_keys(keys, settings.secret_keys)
        return keys

    return ReloadingKeys(settings.encryption_keys, settings.encryption_keys_file, parse=parse)


def make_hasher(settings: Settings) -> Argon2Hasher:
    """As many threads as there are cores, over all processes together: more would only wait for each other."""
    threads = max(1, (os.cpu_count() or 1) // settings.processes)
    memory, passes, lanes = settings.argon2
    return Argon2Hasher(threads=threads, memory=memory, passes=passes, lanes=lanes)


def make_blocklist(settings: Settings, store: PostgresRevocationStore) -> RedisBlocklist:
    """The horizon is not the configured lifetime of tokens, which a command on another machine may not know. It is
    ten minutes longer than the longest one, for clocks that differ."""
    return RedisBlocklist(settings.redis_url, store=store, horizon=LONGEST_ACCESS + timedelta(minutes=10))


def make_rate_limiter(settings: Settings, clock: Clock) -> RedisRateLimiter | NoRateLimiter:
    if not settings.rate_limits:
        return NoRateLimiter()
    fallback = MemoryRateLimiter(clock=clock, processes=settings.processes)
    return RedisRateLimiter(settings.redis_url, secret=settings.secret_keys[0], fallback=fallback)


def make_local_rate_limiter(settings: Settings, clock: Clock) -> MemoryRateLimiter | NoRateLimiter:
    """Counts in the memory of this process, without a round trip. An approximate limit is enough here."""
    return MemoryRateLimiter(clock=clock, most=20_000) if settings.rate_limits else NoRateLimiter()


def make_access_codec(settings: Settings, keys: ReloadingKeyStore, clock: Clock) -> JwtCodec:
    return JwtCodec(
        keys=keys.current,
        issuer=settings.public_url,
        audience=settings.audience,
        clock=clock,
        horizon=settings.access_ttl,
    )


def make_policy(settings: Settings, words: ZxcvbnWordlist) -> PasswordPolicy:
    policy = PasswordPolicy(
        min_length=settings.password_min_length, product=settings.name, common=words, guesses=words.guesses
    )
    folder = settings.breached_passwords
    return policy if folder is None else replace(policy, breached=BreachedPasswords(folder))


def make_composer(settings: Settings, translations: Translations) -> JinjaComposer:
    return JinjaComposer(
        settings.public_url,
        settings.name,
        translations=translations,
        product_url=settings.product_url,
        link_url=settings.link_url,
        accent=settings.accent,
        templates=None if settings.templates is None else settings.templates / "mails",
    )


def make_mailer(settings: Settings) -> Mailer:
    """Raises ValueError if neither a server nor a folder is set."""
    # Only workers send mail; an API process saves two megabytes.
    from adapters.mail.folder_mailer import CopyingMailer, FolderMailer
    from adapters.mail.smtp_mailer import SmtpMailer

    mail_from, product = settings.mail_from, settings.name
    folder = None
    if settings.mail_dir is not None:
        folder = FolderMailer(settings.mail_dir, mail_from=mail_from, product=product)
    if settings.smtp_url is None:
        if folder is None:
            raise ValueError("LATCHKEY_SMTP_URL: must be set")
        return folder
    smtp = SmtpMailer(parse_smtp_url(settings.smtp_url), mail_from=mail_from, product=product)
    return smtp if folder is None else CopyingMailer(smtp, folder)
