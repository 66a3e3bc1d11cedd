"""Rotate the keys that encrypt TOTP secrets."""

from typing import TYPE_CHECKING

import click

from entrypoints.cli.output import print_json, print_note, print_rows
from entrypoints.cli.parameters import Command, Failure, json_option, with_container

if TYPE_CHECKING:
    from entrypoints.container import Container

COLUMNS = ("id", "user_id", "name", "created_at")


@click.group("encryption-keys")
def encryption_keys() -> None:
    """Rotate the keys that encrypt TOTP secrets. No restart is needed."""


@encryption_keys.command("rotate", cls=Command, examples=["", "--json"])
@json_option
def rotate_encryption_keys(*, as_json: bool) -> None:
    """Encrypt all TOTP secrets with the newest key, the first one in LATCHKEY_ENCRYPTION_KEYS.

    Users can log in meanwhile, and the command can be repeated. It creates no key in production. To rotate there:

    \b
    1. Add a key (`openssl rand -hex 32`) at the end of the list, in the file
       LATCHKEY_ENCRYPTION_KEYS_FILE of every machine.
    2. Move it to the front of the list, everywhere.
    3. Run this command.
    4. Five minutes later, remove the old key. Keep it with older backups.

    In development it puts a new key at the front of the list itself. Exit status 1, with a list of the factors, if
    the key of some secrets is missing: their codes are refused. Add the key again, or let their owners log in with
    a recovery code or a passkey and set up their app again.
    """
    _rotate(as_json=as_json)


@with_container
async def _rotate(container: "Container", *, as_json: bool) -> None:
    from entrypoints.settings.development_secrets import DEVELOPMENT_KEYS, add_encryption_key

    settings = container.settings()
    keys, file = container.encryption_keys(), settings.encryption_keys_file
    if settings.development and file is not None and file == settings.data_dir / DEVELOPMENT_KEYS:
        add_encryption_key(file)
        keys.reload()
    changed, lost = await container.reencrypt_secrets()()
    rows = [
        {"id": factor.id, "user_id": factor.user_id, "name": factor.name, "created_at": factor.created_at}
        for factor in lost
    ]
    if as_json:
        print_json({"encrypted": changed, "lost": rows})
    else:
        click.echo(f"{changed} encrypted with the newest key")
        if rows:
            print_rows(rows, columns=COLUMNS, empty="", as_json=False)
    if lost:
        raise Failure(f"{len(lost)} cannot be decrypted: their key is not in LATCHKEY_ENCRYPTION_KEYS.")
    if len(keys.current()) > 1 and not as_json:
        where = file or "LATCHKEY_ENCRYPTION_KEYS"
        print_note(f"Remove the older keys from {where} in five minutes, and keep them with older backups.")
