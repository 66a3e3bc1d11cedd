"""The settings object: all settings, and values derived from them."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from entrypoints.listening import LOOPBACK_HOSTS, listens_everywhere
from entrypoints.settings.branding import Branding
from entrypoints.settings.factors import Factors
from entrypoints.settings.mail import Mail
from entrypoints.settings.passwords import Passwords
from entrypoints.settings.product import Product
from entrypoints.settings.server import Server, without_implied_port
from entrypoints.settings.setting import Setting
from entrypoints.settings.storage import Storage
from entrypoints.settings.tokens import Tokens

GROUPS = (Storage, Product, Branding, Mail, Tokens, Factors, Passwords, Server)


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(Storage, Product, Branding, Mail, Tokens, Factors, Passwords, Server):
    embedded: bool
    """Whether the database is that of `make run`."""
    encryption_keys_file: Path | None = field(default=None, compare=False)
    """The file with the encryption keys, which can change; None if they are in the environment."""
    unknown: tuple[str, ...] = ()
    service_links: tuple[str, ...] = ()
    """Names of settings that are ignored, because Kubernetes or Docker has set them."""

    def __repr__(self) -> str:
        """Shows no values, because half of them are secrets."""
        return f"Settings(env={self.env!r})"

    @property
    def development(self) -> bool:
        return self.env == "development"

    @property
    def public_path(self) -> str:
        """The path of the public URL, which a proxy removes; empty if there is none."""
        return urlsplit(self.public_url).path

    @property
    def passkey_domain(self) -> str:
        """The RP ID (WebAuthn Level 3, section 4)."""
        return self.rp_id or urlsplit(self.public_url).hostname or ""

    @property
    def all_passkey_origins(self) -> tuple[str, ...]:
        """Exact origins, as browsers and apps send them."""
        parts = urlsplit(self.public_url)
        return tuple(dict.fromkeys((without_implied_port(f"{parts.scheme}://{parts.netloc}"), *self.passkey_origins)))

    @property
    def related_origins(self) -> tuple[str, ...]:
        """Origins of pages that may use our passkeys (WebAuthn Level 3, section 5.11), without those of apps."""
        return tuple(origin for origin in self.passkey_origins if not origin.startswith("android:"))

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """The loopback names of this machine, and the host of the public URL."""
        loopback = [f"[{name}]" if ":" in name else name for name in LOOPBACK_HOSTS]
        named = (urlsplit(self.public_url).hostname or "", self.host)
        return *loopback, *(name for name in named if name and not listens_everywhere(name))


ROWS: dict[str, Setting] = {it.name: it.metadata["row"] for group in GROUPS for it in fields(group)}
"""All settings by the name of their field, in the order of their groups."""


def table() -> str:
    """The table in docs/operations.md. Settings of `make run` come last."""
    rows = sorted(ROWS.values(), key=lambda row: row.name == "DATA_DIR")
    return "\n".join(["| setting | default | |", "|---|---|---|", *(row.row for row in rows)]) + "\n"
