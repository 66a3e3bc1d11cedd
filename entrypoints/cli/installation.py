"""The installation that a command works on: the one that the environment names, or that of `make run`."""

import os

from entrypoints.settings import Settings, SettingsError, load, meant_env
from entrypoints.settings.files import set_names


def command_settings() -> Settings:
    """With LATCHKEY_DATABASE_URL but without LATCHKEY_ENV, commands run as production, as `make api` does."""
    require("LATCHKEY_DATABASE_URL", instead="database")
    return load(default_env=meant_env("LATCHKEY_DATABASE_URL"))


def require(needed: str, *, instead: str) -> None:
    """Raise SettingsError if `needed` is missing and other settings show that another installation than `make run` is
    meant. Otherwise the command would silently use the `instead` of `make run`."""
    # A public URL with http: is one of development.
    named = set_names({name: value for name, value in os.environ.items() if not value.startswith("http:")})
    if not named & {"LATCHKEY_ENV", "LATCHKEY_DATA_DIR", needed} and (meant := _ELSEWHERE & named):
        raise SettingsError(
            f"{needed}: must be set when {min(meant)} is set. Or set LATCHKEY_ENV=development to use the {instead} of"
            " `make run`."
        )


def hint(error: SettingsError) -> str:
    """In development without a database setting, commands use the database of `make run` while it runs."""
    if "LATCHKEY_DATABASE_URL: must be set" not in str(error).splitlines():
        return ""
    return "\nSet what is missing, or start `make run` first (for another data folder, set LATCHKEY_DATA_DIR)."


_ELSEWHERE = {
    "LATCHKEY_DATABASE_URL",
    "LATCHKEY_SECRET_KEY",
    "LATCHKEY_ENCRYPTION_KEYS",
    "LATCHKEY_SIGNING_KEYS",
    "LATCHKEY_PUBLIC_URL",
}
"""Settings that production needs, and that have a default in development."""
