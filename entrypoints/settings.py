"""Everything that can be set, read once from the environment. What is wrong is said by its name, all at once."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from entrypoints import product_settings as product
from entrypoints import setting_values as written
from entrypoints.development_secrets import secret_key, signing_keys
from entrypoints.listening import listen_host, listens_everywhere
from entrypoints.setting_files import set_names
from entrypoints.setting_values import ROOT, Network
from entrypoints.settings_reader import SettingsError, SettingsReader

__all__ = ["Settings", "SettingsError", "database_url", "key_folder", "load", "meant_env"]

LONGEST_ACCESS = timedelta(hours=1)
LONGEST_KEY_DELAY = timedelta(minutes=10)
LONGEST_DRAIN = timedelta(minutes=10)
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Settings(Struct, frozen=True, kw_only=True):
    env: Literal["development", "production"]
    database_url: str
    redis_url: str
    smtp_url: str | None
    mail_from: str
    name: str
    product_url: str | None
    link_url: str | None
    mail_dir: Path | None
    public_url: str
    audience: tuple[str, ...]
    """Who else access tokens are for, beside the issuer."""
    secret_keys: tuple[bytes, ...]
    signing_keys: Path
    key_delay: timedelta
    access_ttl: timedelta
    refresh_ttl: timedelta
    session_ttl: timedelta
    max_sessions: int
    password_min_length: int
    breached_passwords: Path | None
    """Range files of Have I Been Pwned."""
    argon2: written.Cost
    cors_origins: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    metrics_token: str | None
    rate_limits: bool
    host: str
    port: int
    processes: int
    drain: timedelta
    """How long readiness fails before the listener closes."""
    data_dir: Path
    embedded: bool
    """Whether the database is the one that `make run` keeps."""
    unknown: tuple[str, ...] = ()
    service_links: tuple[str, ...] = ()
    """Names of settings that are ignored, because Kubernetes or Docker has set them."""

    def __repr__(self) -> str:
        """Half of these are secrets, so none is shown."""
        return f"Settings(env={self.env!r})"

    @property
    def development(self) -> bool:
        return self.env == "development"

    @property
    def public_path(self) -> str:
        """The path of the public URL, under which a proxy serves everything; empty where there is none."""
        return urlsplit(self.public_url).path

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """Names of this machine for those who sit at it, and the host of the public URL."""
        named = (urlsplit(self.public_url).hostname or "", self.host)
        return *LOOPBACK_NAMES, *(name for name in named if name and not listens_everywhere(name))


def load(
    environ: Mapping[str, str] | None = None, *, default_env: str = "production", mails: bool = False
) -> Settings:
    """Raises SettingsError. In development, what is missing is made up and kept in the data folder. Only who `mails`
    needs somewhere to send to."""
    return _Reader(environ, default_env, mails=mails).settings()


def meant_env(*names: str) -> Literal["development", "production"]:
    """Which environment a command works in when LATCHKEY_ENV is not set: production if one of these settings is in
    the environment, otherwise that of `make run`."""
    return "production" if set(names) & set_names(os.environ) else "development"


def database_url() -> str:
    """The one setting that migrations need. Raises SettingsError."""
    reader = _Reader(None, meant_env("LATCHKEY_DATABASE_URL"))
    url: str = reader.parsed("DATABASE_URL", written.postgres_url, reader.running("DATABASE_URL"))
    reader.complain()
    return url


def key_folder() -> tuple[Path, timedelta, bool]:
    """Where the signing keys lie, were there none yet; how long a new one waits; and whether they are a laptop's.
    Raises SettingsError."""
    reader = _Reader(None, meant_env("LATCHKEY_DATABASE_URL", "LATCHKEY_SIGNING_KEYS"))
    made = None if reader.env == "production" else reader.data_dir / "keys"
    path = reader.parsed("SIGNING_KEYS", lambda text: ROOT / text, made)
    delay = reader.key_delay()
    reader.complain()
    return path, delay, path is made


class _Reader(SettingsReader):
    def __init__(self, environ: Mapping[str, str] | None, default_env: str, *, mails: bool = False) -> None:
        super().__init__(environ, default_env)
        self._mails = mails and not self.is_set("MAIL_DIR")

    def settings(self) -> Settings:
        if self.env not in {"development", "production"}:
            self._problems.append("LATCHKEY_ENV: must be development or production")
        production = self.env != "development"
        read = {
            "env": self.env,
            "database_url": self.parsed("DATABASE_URL", written.postgres_url, self.running("DATABASE_URL")),
            "redis_url": self.parsed("REDIS_URL", written.redis_url, self.running("REDIS_URL")),
            "smtp_url": self.parsed("SMTP_URL", written.smtp_url, self.running("SMTP_URL"), optional=not self._mails),
            "mail_dir": self.parsed("MAIL_DIR", lambda text: ROOT / text, None, optional=True),
            "mail_from": self.parsed(
                "MAIL_FROM", written.sender_address, product.no_reply(self.value("PUBLIC_URL") or "")
            ),
            "name": self.parsed("NAME", product.product_name, "Latchkey"),
            "product_url": self.parsed("PRODUCT_URL", self._https(product.product_url), None, optional=True),
            "link_url": self.parsed("LINK_URL", self._https(product.link_url), None, optional=True),
            "public_url": self.parsed(
                "PUBLIC_URL", self._https(product.public_url), None if production else self._local_origin()
            ),
            "audience": self.parsed("AUDIENCE", written.audience, ()),
            "secret_keys": self.parsed("SECRET_KEY", written.secrets, None if production else self._made_secret),
            "signing_keys": self.parsed("SIGNING_KEYS", written.key_files, None if production else self._made_keys),
            "key_delay": self.key_delay(),
            "access_ttl": self.seconds("ACCESS_TTL", 600, most=LONGEST_ACCESS),
            "refresh_ttl": self.seconds("REFRESH_TTL", 7 * 86400),
            "session_ttl": self.seconds("SESSION_TTL", 30 * 86400),
            "max_sessions": self.whole("MAX_SESSIONS", 100, least=1, most=1000),
            "password_min_length": self.whole("PASSWORD_MIN_LENGTH", 15, least=8, most=64),
            "breached_passwords": self.parsed("BREACHED_PASSWORDS", lambda text: ROOT / text, None, optional=True),
            "argon2": self.parsed("ARGON2", written.argon2, written.Cost(19_456, 2, 1)),
            "cors_origins": self.parsed("CORS_ORIGINS", written.origins, ()),
            "allowed_hosts": self.parsed("ALLOWED_HOSTS", written.hosts, ()),
            "trusted_proxies": self.parsed("TRUSTED_PROXIES", self._proxies, ()),
            "metrics_token": self.parsed("METRICS_TOKEN", written.bearer_token, None, optional=True),
            "rate_limits": self.parsed("RATE_LIMITS", self._switch, True),
            "host": self.parsed("HOST", listen_host, "127.0.0.1"),
            "port": self.whole("PORT", 8000, least=1, most=65535),
            "processes": self.whole("PROCESSES", 1 if not production else os.cpu_count() or 1, least=1, most=256),
            "drain": self.seconds("DRAIN_SECONDS", 0, least=0, most=LONGEST_DRAIN),
            "data_dir": self.data_dir,
            "embedded": not self.is_set("DATABASE_URL"),
        }
        self.complain()
        return Settings(**read, unknown=self.unknown, service_links=self.service_links)

    def key_delay(self) -> Any:
        """Other verifiers reload the key set about every half minute; in development a short delay is enough."""
        return self.seconds("KEY_DELAY", 5 if self.env == "development" else 60, most=LONGEST_KEY_DELAY)

    def _https(self, parse: Callable[[str], str]) -> Callable[[str], str]:
        return product.over_https(parse) if self.env == "production" else parse

    def _proxies(self, text: str) -> tuple[Network, ...]:
        found = written.networks(text)
        for network in found:
            if self.env == "production" and written.too_wide(network):
                raise ValueError(
                    f"trusts {network}, so clients could forge their IP addresses; list only the proxies"
                )
        return found

    def _switch(self, text: str) -> bool:
        if text not in {"on", "off"}:
            raise ValueError("must be on or off")
        if text == "off" and self.env == "production":
            raise ValueError("must be on in production")
        return text == "on"

    def _local_origin(self) -> str:
        return f"http://127.0.0.1:{self.value('PORT') or 8000}"

    def _made_secret(self) -> tuple[bytes, ...]:
        return (secret_key(self.data_dir),)

    def _made_keys(self) -> Path:
        return signing_keys(self.data_dir)
