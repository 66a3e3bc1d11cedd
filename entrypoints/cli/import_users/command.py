"""`users import`: users of another system, taken over from a file."""

from pathlib import Path
from typing import Any

import click

from domain.role import Role
from entrypoints.cli.parameters import ROLE, Command, json_option

FILE = click.Path(path_type=Path)


@click.command("import", cls=Command, examples=["users.csv", "--format firebase --firebase-parameters p.txt u.jsonl"])
@click.argument("file", type=FILE)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["jsonl", "csv", "better-auth", "firebase"]),
    help="csv if the file name ends in .csv, otherwise jsonl. better-auth: one object a line, with email,"
    " emailVerified, createdAt, username, role, banned, and the password of its account. firebase: one object a line,"
    " each one of `users` in what `firebase auth:export users.json` writes.",
)
@click.option(
    "--firebase-parameters",
    type=FILE,
    metavar="FILE",
    help="The hash parameters of the project, as its console shows them: signer key, salt separator, and so on.",
)
@click.option(
    "--highest-role",
    type=ROLE,
    default=Role.MEMBER,
    show_default="member",
    help="List users with a higher role instead of importing them.",
)
@click.option("--list", "listing", type=FILE, metavar="FILE", help="Append the list of problem rows to this file.")
@json_option
def import_users(**options: Any) -> int:
    """Import users and their password hashes from a file of another system.

    The file is JSON Lines (one object a line) or CSV (whose first row names the columns): email, username,
    password_hash, role, verified, disabled, created_at.

    Every column except email may be missing or empty. Users without password_hash must request a password reset link.
    role is member (default), moderator or admin. verified and disabled are true or false (default). created_at is
    ISO 8601, in UTC if it has no time zone; the default is now.

    Hashes of bcrypt, argon2, Django, passlib (pbkdf2, scrypt), Firebase and better-auth are stored until the next
    login, which replaces them. Weak hashes (plain MD5 and SHA, md5-crypt) are hashed again during the import, which
    takes as long as a login for each. No mail is sent.

    You can run it again after an interruption: users that were imported before are recognised by their address and
    skipped. A verified address of another user is not taken over. A user whose username is taken or not valid is
    imported without it. Each of these rows, and each row that is not valid, is listed with line number and reason.

    Exit status: 0 if no row is listed, 1 if any row is listed or the import stopped, 2 if the file cannot be read.
    """
    from entrypoints.cli.import_users.run import run

    return run(**options)
