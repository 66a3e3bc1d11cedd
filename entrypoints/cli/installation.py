"""Whose installation a command works on: the one that the environment names, or that of `make run`."""

import os

from entrypoints.settings import Settings, SettingsError, load, meant_env
from entrypoints.settings.files import set_names


def command_settings() -> Settings:
    """A database that is named without LATCHKEY_ENV is that of production, as it is for `make api`."""
    require("LATCHKEY_DATABASE_URL", instead="database")
    return load(default_env=meant_env("LATCHKEY_DATABASE_URL"))


def require(needed: str, *, instead: str) -> None:
    """Raise SettingsError if other settings show that an installation other than `make run` is meant, but `needed` is
    missing. Otherwise the command would use the `instead` of `make run`."""
    named = set_names({name: value for name, value in os.environ.items() if not value.startswith("http:")})
    if not named & {"LATCHKEY_ENV", "LATCHKEY_DATA_DIR", needed} and (meant := _ELSEWHERE & named):
        raise SettingsError(
            f"{needed}: must be set when {min(meant)} is set. Or set LATCHKEY_ENV=development to use the {instead} of"
            " `make run`."
        )


def hint(error: SettingsError) -> str:
    """For developers who named no database: commands use the one of `make run` while it runs."""
    if "LATCHKEY_DATABASE_URL: must be set" not in str(error).splitlines():
        return ""
    return "\nStart `make run` first (for another data folder, set LATCHKEY_DATA_DIR), or set what is missing."


_ELSEWHERE = {"LATCHKEY_DATABASE_URL", "LATCHKEY_SECRET_KEY", "LATCHKEY_SIGNING_KEYS", "LATCHKEY_PUBLIC_URL"}
"""What has to be set for real, and is made up on a laptop, whose address would begin with http: at most."""
