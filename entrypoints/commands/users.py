"""Users made and raised by the operator: the first admin comes from here."""

import argparse
import getpass
import sys

from domain.role import Role
from entrypoints.commands.registry import ROLES, Commands, role, with_container
from entrypoints.container import Container


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


def _password() -> str:
    """From a prompt that does not show it, or from a pipe."""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            sys.exit("These are two different passwords.")
        return password
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        sys.exit("There is no password on stdin.")
    return password


def register(commands: Commands) -> None:
    text = "Make a user; the password comes from a prompt or from stdin."
    create = commands.add("create-user", with_container(create_user), text)
    create.add_argument("--email", required=True)
    create.add_argument("--username")
    create.add_argument("--role", type=role, default=Role.MEMBER, metavar=ROLES)
    create.add_argument("--verified", action="store_true", help="the address needs no proof")
    create.add_argument("--password-hash", help="keep this hash of another system instead of asking for a password")

    promote = commands.add("grant", with_container(grant), "Give a user a role.")
    promote.add_argument("--email", required=True)
    promote.add_argument("--role", type=role, required=True, metavar=ROLES)
