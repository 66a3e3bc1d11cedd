"""Runs a command with the container."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from asgiref.sync import async_to_sync

from adapters.postgres.errors import SCHEMA_MISMATCH
from domain.refusals import Refusal
from entrypoints.cli.installation import command_settings, hint
from entrypoints.cli.parameters import Failure
from entrypoints.container import Container, close
from entrypoints.schema import SchemaError, require_schema
from entrypoints.settings import Settings, SettingsError

T = TypeVar("T")


def run_with_container(command: Callable[[Container], Awaitable[T]]) -> T:
    """Raises Failure."""
    # Silence the adapters' logs: the failure is printed once, at the end.
    logging.getLogger("adapters").addHandler(logging.NullHandler())
    try:
        result: T = async_to_sync(_run)(Container(settings=_settings()), command)
    except SettingsError as error:
        raise Failure(f"{error}{hint(error)}") from error
    except SchemaError as error:
        raise Failure(str(error)) from error
    except Refusal as refusal:
        raise Failure(f"{refusal.code}: {refusal.detail}") from refusal
    return result


async def _run(container: Container, command: Callable[[Container], Awaitable[T]]) -> T:
    try:
        return await command(container)
    except SCHEMA_MISMATCH:
        # The schema is of another version, or this is a bug.
        await require_schema(container.database(), timeout=0)
        raise
    finally:
        await close(container)


def _settings() -> Settings:
    """The settings of `make run` unless the environment names a database. Raises SettingsError."""
    settings = command_settings()
    if settings.embedded:
        click.echo(f"development: {settings.data_dir}", err=True)
    return settings
