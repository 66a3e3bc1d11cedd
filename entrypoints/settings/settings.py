"""The settings object: all rows, and what follows from them."""

from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from entrypoints.listening import listens_everywhere
from entrypoints.settings.mail import Mail
from entrypoints.settings.passwords import Passwords
from entrypoints.settings.product import Product
from entrypoints.settings.server import Server
from entrypoints.settings.setting import Setting
from entrypoints.settings.storage import Storage
from entrypoints.settings.tokens import Tokens

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
GROUPS = (Storage, Product, Mail, Tokens, Passwords, Server)


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(Storage, Product, Mail, Tokens, Passwords, Server):
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


ROWS: dict[str, Setting] = {it.name: it.metadata["row"] for group in GROUPS for it in fields(group)}
"""By the name of the field, in the order of the groups."""


def table() -> str:
    """As docs/operations.md shows it; what concerns `make run` alone comes last."""
    rows = sorted(ROWS.values(), key=lambda row: row.name == "DATA_DIR")
    return "\n".join(["| setting | default | |", "|---|---|---|", *(row.row for row in rows)]) + "\n"
