"""Settings, read once from the environment. All problems are reported at once, by the name of the setting.

Each setting is one row in the module of its subject: name, parser, default, and help for the operator's guide.
`python -m entrypoints.settings` prints that table. Parsers import adapters when they run, so that `make run` and
commands start quickly.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from entrypoints.settings.development_secrets import encryption_keys
from entrypoints.settings.factors import conflicts
from entrypoints.settings.files import in_root, set_names
from entrypoints.settings.reader import SettingsError, SettingsReader
from entrypoints.settings.settings import ROWS, Settings
from entrypoints.settings.tokens import LONGEST_ACCESS, LONGEST_KEY_DELAY

__all__ = [
    "LONGEST_ACCESS",
    "LONGEST_KEY_DELAY",
    "Settings",
    "SettingsError",
    "database_url",
    "key_folder",
    "load",
    "meant_env",
]


def load(
    environ: Mapping[str, str] | None = None, *, default_env: str = "production", mails: bool = False
) -> Settings:
    """Raises SettingsError. In development, missing secrets are generated and kept in the data folder. A mail
    server is required only with `mails`."""
    reader = SettingsReader(environ, default_env)
    rows = dict(ROWS)
    if mails and not reader.is_set("MAIL_DIR"):
        rows["smtp_url"] = replace(rows["smtp_url"], optional=False)
    values = {field: reader.read(row) for field, row in rows.items()}
    for name, problem in conflicts(values):
        reader.report(name, problem)
    reader.raise_problems()
    made = encryption_keys(reader.data_dir) if not reader.is_set("ENCRYPTION_KEYS") else None
    return Settings(
        **values,
        embedded=not reader.is_set("DATABASE_URL"),
        encryption_keys_file=reader.file("ENCRYPTION_KEYS") or made,
        unknown=reader.unknown,
        service_links=reader.service_links,
    )


def meant_env(*names: str) -> Literal["development", "production"]:
    """Which environment a command works in when LATCHKEY_ENV is not set: production if one of these settings is in
    the environment, otherwise that of `make run`."""
    return "production" if set(names) & set_names(os.environ) else "development"


def database_url() -> str:
    """The one setting that migrations need. Raises SettingsError."""
    reader = SettingsReader(None, meant_env("LATCHKEY_DATABASE_URL"))
    url: str = reader.read(ROWS["database_url"])
    reader.raise_problems()
    return url


def key_folder() -> tuple[Path, timedelta, bool]:
    """The path of the signing keys, the activation delay of a new key, and whether they are those of
    development. Raises SettingsError."""
    reader = SettingsReader(None, meant_env("LATCHKEY_DATABASE_URL", "LATCHKEY_SIGNING_KEYS"))
    default_folder = reader.data_dir / "keys"
    path: Path = reader.read(replace(ROWS["signing_keys"], parse=in_root, development=default_folder))
    delay: timedelta = reader.read(ROWS["key_delay"])
    reader.raise_problems()
    return path, delay, path is default_folder
