"""The adapters: which one implements which port."""

import os

from dependency_injector import containers, providers

from adapters.factors.aes_gcm_box import AesGcmBox
from adapters.factors.pyotp_codes import PyotpCodes
from adapters.passwords.zxcvbn_wordlist import ZxcvbnWordlist
from adapters.postgres.database import Database
from adapters.postgres.deadline import start_deadline
from adapters.postgres.expired_rows import PostgresExpiredRows
from adapters.postgres.outbox_backlog import PostgresBacklog
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from adapters.postgres.user_lookup import PostgresUserLookup
from adapters.redis.dramatiq_queue import DramatiqNudge
from adapters.redis.lost_revocations import LostRevocations
from adapters.revocations import CachedRevocationCheck
from adapters.tokens.caller_cache import LruCallerCache
from adapters.tokens.challenge_signer import ItsDangerousChallengeSigner
from adapters.tokens.cookie_codec import ItsDangerousCookieCodec
from adapters.tokens.key_store import ReloadingKeyStore
from adapters.tokens.link_signer import ItsDangerousLinkSigner
from adapters.tokens.refresh_codec import ItsDangerousRefreshCodec
from adapters.tokens.return_signer import ItsDangerousReturnSigner
from adapters.translations.catalogues import PoTranslations
from adapters.uuid7 import uuid7
from domain.session import Lifetimes
from entrypoints import factories
from entrypoints.observability.health import DependencyProbe, Health
from entrypoints.settings import Settings


class Adapters(containers.DeclarativeContainer):
    """Builds each object once, synchronously, when it is first needed. `settings` is required."""

    settings = providers.Dependency(instance_of=Settings)
    clock = providers.Object(factories.now)
    new_id = providers.Object(uuid7)
    new_secret = providers.Object(factories.new_secret)
    new_bytes = providers.Object(os.urandom)
    start_request = providers.Object(factories.start_request)
    set_request_user = providers.Object(factories.set_request_user)
    start_deadline = providers.Object(start_deadline)

    lifetimes = providers.ThreadSafeSingleton(
        Lifetimes,
        access=settings.provided.access_ttl,
        refresh=settings.provided.refresh_ttl,
        session=settings.provided.session_ttl,
        sessions=settings.provided.max_sessions,
    )
    common_passwords = providers.ThreadSafeSingleton(ZxcvbnWordlist)
    policy = providers.ThreadSafeSingleton(factories.make_policy, settings, common_passwords)
    hasher = providers.ThreadSafeSingleton(factories.make_hasher, settings)
    hashing_load = hasher.provided.load

    database = providers.ThreadSafeSingleton(Database, settings.provided.database_url)
    expired_rows = providers.ThreadSafeSingleton(PostgresExpiredRows, database)
    revocation_store = providers.ThreadSafeSingleton(PostgresRevocationStore, database)
    blocklist = providers.ThreadSafeSingleton(factories.make_blocklist, settings, revocation_store)
    revocations = providers.ThreadSafeSingleton(CachedRevocationCheck, blocklist, revocation_store)
    rate_limiter = providers.ThreadSafeSingleton(factories.make_rate_limiter, settings, clock)
    local_rate_limiter = providers.ThreadSafeSingleton(factories.make_local_rate_limiter, settings, clock)
    nudge = providers.ThreadSafeSingleton(DramatiqNudge, settings.provided.redis_url)
    store = providers.ThreadSafeSingleton(PostgresStore, database, blocklist=blocklist, nudge=nudge)
    begin, autocommit = store.provided.begin, store.provided.autocommit
    user_lookup = providers.ThreadSafeSingleton(PostgresUserLookup, database)
    renewals = providers.ThreadSafeSingleton(PostgresRenewals, database)

    signing_keys = providers.ThreadSafeSingleton(
        ReloadingKeyStore, settings.provided.signing_keys, delay=settings.provided.key_delay, clock=clock
    )
    access_codec = providers.ThreadSafeSingleton(factories.make_access_codec, settings, signing_keys, clock)
    jwks, claims = access_codec.provided.jwks, access_codec.provided.claims
    refresh_codec = providers.ThreadSafeSingleton(ItsDangerousRefreshCodec, secrets=settings.provided.secret_keys)
    cookie_codec = providers.ThreadSafeSingleton(ItsDangerousCookieCodec, secrets=settings.provided.secret_keys)
    caller_cache = providers.ThreadSafeSingleton(LruCallerCache)
    return_signer = providers.ThreadSafeSingleton(
        ItsDangerousReturnSigner, secrets=settings.provided.secret_keys, clock=clock
    )
    links = providers.ThreadSafeSingleton(ItsDangerousLinkSigner, secrets=settings.provided.secret_keys)
    challenge_signer = providers.ThreadSafeSingleton(
        ItsDangerousChallengeSigner, secrets=settings.provided.secret_keys
    )
    passkeys = providers.ThreadSafeSingleton(factories.make_passkeys, settings)
    one_time_passwords = providers.ThreadSafeSingleton(PyotpCodes, issuer=settings.provided.name)
    encryption_keys = providers.ThreadSafeSingleton(factories.make_encryption_keys, settings)
    secret_box = providers.ThreadSafeSingleton(
        AesGcmBox, encryption_keys.provided.current, reload=encryption_keys.provided.reload
    )
    step_up_ttl = settings.provided.step_up_ttl
    factor_required_from = settings.provided.factor_required_from
    registration = settings.provided.registration
    translations = providers.ThreadSafeSingleton(PoTranslations)
    composer = providers.ThreadSafeSingleton(factories.make_composer, settings, translations)
    mailer = providers.ThreadSafeSingleton(factories.make_mailer, settings)

    health = providers.Factory(Health, revocation_store, blocklist)
    backlog = providers.ThreadSafeSingleton(PostgresBacklog, database, clock=clock)
    lost_revocations = providers.ThreadSafeSingleton(LostRevocations, settings.provided.redis_url, revocation_store)
    dependency_probe = providers.Factory(DependencyProbe, backlog, blocklist, lost=lost_revocations)
