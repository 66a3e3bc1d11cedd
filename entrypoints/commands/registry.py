"""How commands join the command line, and what they are given to work with."""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable

from asgiref.sync import async_to_sync

from adapters.postgres.errors import SCHEMA_MISMATCH
from domain.role import Role
from entrypoints.container import Container, close
from entrypoints.schema import insist_on_schema
from entrypoints.setting_files import set_names
from entrypoints.settings import Settings, SettingsError, load, meant_env

Run = Callable[[argparse.Namespace], int]
"""What was asked for, into an exit status. May raise SettingsError, SchemaError or Refusal, which are told in one
line."""

Command = Callable[[Container, argparse.Namespace], Awaitable[int]]


class Commands:
    def __init__(self, parser: argparse.ArgumentParser, *, called: str = "command", required: bool = True) -> None:
        self._parsers = parser.add_subparsers(required=required, metavar=called)

    def add(self, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made = self._parsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        made.set_defaults(run=run)
        return made

    def listing(self, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        """A command whose output programs may want to read."""
        made = self.add(name, run, text)
        made.add_argument("--json", action="store_true", help="print JSON, for programs")
        return made

    def group(self, name: str, text: str, *, default: Run | None = None, **options: object) -> "Commands":
        """Commands under a name of their own; `default`, with these options, is for who says the name alone."""
        made = self._parsers.add_parser(name, help=text, description=text, allow_abbrev=False)
        if default is not None:
            made.set_defaults(run=default, json=False, **options)
        return Commands(made, called="action", required=default is None)


ROLES = "|".join(Role)


def role(text: str) -> Role:
    """As an argument's type."""
    if text not in list(Role):
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(Role)}")
    return Role(text)


def whole(text: str) -> int:
    """As an argument's type."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 10_000):
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 10000")
    return int(text)


def name(text: str) -> str:
    """As an argument's type: an address, a user name or another name, as it was meant. A file that it was taken from
    may begin with a byte order mark, and white space around a name means nothing."""
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise argparse.ArgumentTypeError("is not valid UTF-8")
    return text.removeprefix("\ufeff").strip()


def with_container(command: Command) -> Run:
    """For a command that needs the service's parts, and so all of its settings."""

    def run(asked: argparse.Namespace) -> int:
        container = Container(settings=_settings())

        async def inside() -> int:
            try:
                return await command(container, asked)
            except SCHEMA_MISMATCH:
                # Either the schema is not ours, or this is our own mistake.
                await insist_on_schema(container.database(), patience=0)
                raise
            finally:
                await close(container)

        status: int = async_to_sync(inside)()
        return status

    return run


def _settings() -> Settings:
    """Those of `make run` unless a database is named. Raises SettingsError."""
    settings = command_settings()
    if settings.embedded:
        print(f"development: {settings.data_dir}", file=sys.stderr)
    return settings


def command_settings() -> Settings:
    """A database that is named without LATCHKEY_ENV is that of production, as it is for `make api`."""
    insist_on("LATCHKEY_DATABASE_URL", instead="database")
    return load(default_env=meant_env("LATCHKEY_DATABASE_URL"))


def insist_on(needed: str, *, instead: str) -> None:
    """Raise SettingsError if other settings show that an installation other than `make run` is meant, but `needed` is
    missing. Otherwise the command would use the `instead` of `make run`."""
    named = set_names({name: value for name, value in os.environ.items() if not value.startswith("http:")})
    if not named & {"LATCHKEY_ENV", "LATCHKEY_DATA_DIR", needed} and (meant := _ELSEWHERE & named):
        raise SettingsError(
            f"{needed}: must be set when {min(meant)} is set. Or set LATCHKEY_ENV=development to use the {instead} of"
            " `make run`."
        )


def advice(error: SettingsError) -> str:
    """A hint for developers who named no database: commands use the one of `make run` while it runs."""
    if "LATCHKEY_DATABASE_URL: must be set" not in str(error).splitlines():
        return ""
    return "\nStart `make run` first (for another data folder, set LATCHKEY_DATA_DIR), or set what is missing."


_ELSEWHERE = {"LATCHKEY_DATABASE_URL", "LATCHKEY_SECRET_KEY", "LATCHKEY_SIGNING_KEYS", "LATCHKEY_PUBLIC_URL"}
"""What has to be set for real, and is made up on a laptop, whose address would begin with http: at most."""
