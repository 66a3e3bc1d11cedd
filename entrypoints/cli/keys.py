"""List and rotate the keys that sign access tokens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from entrypoints.cli.output import print_note
from entrypoints.cli.parameters import Command, Failure, OneOf, json_option

ALGORITHMS = ("ES256", "EdDSA", "RS256")
"""The values of `adapters.tokens.pem_keys.Algorithm`, so that `--help` need not load cryptography."""

_ONLY_FOLDERS = (
    "Keys are rotated in a folder: create one that only the user of the service can read, move an existing key into"
    " it, and set LATCHKEY_SIGNING_KEYS to the folder, for this command and for the service."
)


@click.group(invoke_without_command=True)
@click.pass_context
def keys(ctx: click.Context) -> None:
    """List or rotate the keys that sign access tokens. No restart is needed."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_keys)


@keys.command("list", cls=Command, examples=["", "--json"])
@json_option
def list_keys(*, as_json: bool) -> None:
    """List the keys with their status, newest first."""
    from entrypoints.cli.key_rotation import show

    folder, delay = _key_folder()
    try:
        show(folder, now=datetime.now(UTC), delay=delay, as_json=as_json)
    except OSError as error:
        raise _unreadable(error) from None


@keys.command("rotate", cls=Command, examples=["", "--algorithm EdDSA"])
@click.option(
    "--algorithm",
    type=OneOf(ALGORITHMS),
    help="Change the algorithm; by default it stays as it is (ES256 for the first key).",
)
@json_option
def rotate_keys(*, algorithm: str | None, as_json: bool) -> None:
    """Create a new key, remove old keys whose tokens have all expired, and list the keys."""
    from adapters.tokens.pem_keys import Algorithm
    from entrypoints.cli.key_rotation import rotate

    folder, delay = _key_folder()
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise Failure(f"LATCHKEY_SIGNING_KEYS: {folder} {state}. {_ONLY_FOLDERS}")
    chosen = None if algorithm is None else Algorithm(algorithm)
    try:
        rotate(folder, now=datetime.now(UTC), delay=delay, algorithm=chosen, as_json=as_json)
    except OSError as error:
        raise _unreadable(error) from None


def _key_folder() -> tuple[Path, timedelta]:
    """The path of the keys, and the activation delay. Raises Failure."""
    from entrypoints.cli.installation import require
    from entrypoints.settings import SettingsError, key_folder

    try:
        require("LATCHKEY_SIGNING_KEYS", instead="keys")
        path, delay, development = key_folder()
    except SettingsError as error:
        raise Failure(str(error)) from error
    if development:
        print_note(f"development: {path}")
    return path, delay


def _unreadable(error: OSError) -> Exception:
    """An error without a file name is about standard output."""
    return error if error.filename is None else Failure(f"LATCHKEY_SIGNING_KEYS: {error.filename}: {error.strerror}")
