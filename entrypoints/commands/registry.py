"""How commands join the command line, and what they are given to work with."""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable

from asgiref.sync import async_to_sync

from entrypoints.container import Container, close
from entrypoints.settings import Settings, SettingsError, load

Run = Callable[[argparse.Namespace], int]
"""What was asked for, into an exit status. May raise SettingsError or Refusal, which are told in one line."""

Command = Callable[[Container, argparse.Namespace], Awaitable[int]]


class Commands:
    def __init__(self, parser: argparse.ArgumentParser, *, called: str = "command", required: bool = True) -> None:
        self._parsers = parser.add_subparsers(required=required, metavar=called)

    def add(self, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made = self._parsers.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    def group(self, name: str, text: str, *, default: Run | None = None) -> "Commands":
        """Commands under a name of their own; `default` is for who says the name alone."""
        made = self._parsers.add_parser(name, help=text, description=text)
        if default is not None:
            made.set_defaults(run=default)
        return Commands(made, called="action", required=default is None)


def with_container(command: Command) -> Run:
    """For a command that needs the service's parts, and so all of its settings."""

    def run(asked: argparse.Namespace) -> int:
        container = Container(settings=_settings())

        async def inside() -> int:
            try:
                return await command(container, asked)
            finally:
                await close(container)

        status: int = async_to_sync(inside)()
        return status

    return run


def _settings() -> Settings:
    """A laptop's where nothing else is said. Raises SettingsError where somebody seems to mean another installation,
    and has left out which."""
    named = {name for name, value in os.environ.items() if value and not value.startswith("http:")}
    if not named & {"LATCHKEY_ENV", "LATCHKEY_DATABASE_URL", "LATCHKEY_DATA_DIR"} and (meant := _ELSEWHERE & named):
        raise SettingsError(
            f"LATCHKEY_DATABASE_URL: must be set where {min(meant)} is; or LATCHKEY_ENV=development, where the"
            " database of `make run` is meant"
        )
    settings = load(default_env="development")
    if settings.embedded:
        print(f"development: {settings.data_dir}", file=sys.stderr)
    return settings


_ELSEWHERE = {"LATCHKEY_SECRET_KEY", "LATCHKEY_SIGNING_KEYS", "LATCHKEY_PUBLIC_URL"}
"""What has to be set for real, and is made up on a laptop, whose address would begin with http: at most."""
