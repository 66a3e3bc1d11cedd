"""One-shot commands for operators: `python -m entrypoints.cli --help`."""

import argparse
import getpass
import sys
from collections.abc import Awaitable, Callable
from uuid import UUID

from asgiref.sync import async_to_sync

from domain.refusals import Refusal
from domain.role import Role
from entrypoints.container import Container, close
from entrypoints.settings import SettingsError, load

Command = Callable[[Container, argparse.Namespace], Awaitable[int]]


async def create_user(container: Container, asked: argparse.Namespace) -> int:
    if asked.password_hash is not None and not container.hasher().knows(asked.password_hash):
        print("--password-hash: this is no hash that a login could be checked against.", file=sys.stderr)
        return 2
    made = await container.create_user()(
        email=asked.email,
        username=asked.username,
        role=asked.role,
        verified=asked.verified,
        password_hash=asked.password_hash,
        password=None if asked.password_hash is not None else _password(),
    )
    if made is None:
        print("Somebody verified has this address or username already.", file=sys.stderr)
        return 1
    print(made.id)
    return 0


async def grant(container: Container, asked: argparse.Namespace) -> int:
    changed = await container.grant_role()(email=asked.email, role=asked.role)
    print(f"{changed.email} is {changed.role}")
    return 0


async def list_mails(container: Container, _: argparse.Namespace) -> int:
    for mail in await container.parked_mails()():
        print(mail.id, mail.kind, mail.recipient, f"{mail.created_at:%Y-%m-%dT%H:%M:%SZ}", mail.note, sep="\t")
    return 0


async def redrive_mail(container: Container, asked: argparse.Namespace) -> int:
    if await container.redrive_mail()(mail_id=asked.id):
        return 0
    print("No parked mail has this id.", file=sys.stderr)
    return 1


def _password() -> str:
    """From a prompt that does not show it, or from a pipe."""
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        sys.exit("There is no password on stdin.")
    return password


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m entrypoints.cli", description="Commands for operators.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    create = command("create-user", create_user, "Make a user; the password comes from a prompt or from stdin.")
    create.add_argument("--email", required=True)
    create.add_argument("--username")
    create.add_argument("--role", type=Role, choices=list(Role), default=Role.MEMBER, metavar="|".join(Role))
    create.add_argument("--verified", action="store_true", help="the address needs no proof")
    create.add_argument("--password-hash", help="keep this hash (argon2 or bcrypt) instead of asking for a password")

    promote = command("grant", grant, "Give a user a role.")
    promote.add_argument("--email", required=True)
    promote.add_argument("--role", type=Role, choices=list(Role), required=True, metavar="|".join(Role))

    mails = command("mails", list_mails, "List the mails that were given up, or try one again.")
    actions = mails.add_subparsers(metavar="action")
    actions.add_parser("list", help="one line each: id, kind, recipient, when, why").set_defaults(run=list_mails)
    redrive = actions.add_parser("redrive", help="make it due again")
    redrive.add_argument("id", type=UUID)
    redrive.set_defaults(run=redrive_mail)
    return parser


def main() -> None:
    asked = _parser().parse_args()
    try:
        settings = load(default_env="development")
    except SettingsError as error:
        sys.exit(f"{error}\nStart `make run`, or set what is missing.")
    container = Container(settings=settings)

    async def run() -> int:
        try:
            status: int = await asked.run(container, asked)
        finally:
            await close(container)
        return status

    try:
        sys.exit(async_to_sync(run)())
    except Refusal as refusal:
        sys.exit(f"{refusal.code}: {refusal.detail}")


if __name__ == "__main__":
    main()
