"""Users, managed by the operator: the first admin comes from here."""

import argparse
import getpass
import sys

from domain.role import Role
from domain.user import User
from entrypoints.commands import import_users
from entrypoints.commands.output import USER, print_json, print_note, print_rows, printable, user_row
from entrypoints.commands.registry import ROLES, Commands, Run, name, role, whole, with_container
from entrypoints.container import Container

_UNVERIFIED_ROLE = """\
warning: this user is not verified, so the role {role} is not in force yet. A link was mailed to {email}: the role \
applies once the link is followed. To verify the address yourself, use --verified."""


async def create_user(container: Container, asked: argparse.Namespace) -> int:
    if asked.password_hash is not None and not container.hasher().can_verify(asked.password_hash):
        print_note("--password-hash: this hash is not supported. Use a hash of bcrypt, argon2, Django or passlib.")
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
        print_note("A verified user already has this address or username.")
        return 1
    if asked.json:
        print_json(user_row(made))
    else:
        print(made.id)
    if not made.verified and made.role is not Role.MEMBER:
        print_note(_UNVERIFIED_ROLE.format(role=made.role, email=made.email))
    return 0


async def find_users(container: Container, asked: argparse.Namespace) -> int:
    query = asked.query if asked.email is None else asked.email
    found, more = await container.find_users()(query=query, role=asked.role, limit=asked.limit)
    if asked.email is not None:
        found, more = [user for user in found if user.email == asked.email.lower()], False
    print_rows([user_row(user) for user in found], columns=USER, empty="No users found.", as_json=asked.json)
    if more:
        print_note(f"Only the first {len(found)} are shown. Use a longer prefix or a higher --limit.")
    return 0


async def grant_role(container: Container, asked: argparse.Namespace) -> int:
    changed = await container.grant_role()(email=asked.email, role=asked.role)
    print(f"{changed.email} is {changed.role}")
    return 0


async def disable_user(container: Container, asked: argparse.Namespace) -> int:
    return await _switch(container, _who(asked), disabled=True)


async def enable_user(container: Container, asked: argparse.Namespace) -> int:
    return await _switch(container, _who(asked), disabled=False)


async def delete_user(container: Container, asked: argparse.Namespace) -> int:
    print(f"{_called(await container.remove_user()(who=_who(asked)))} is deleted")
    return 0


def _delete(asked: argparse.Namespace) -> int:
    if sys.stdin.isatty() and not asked.yes:
        print(
            f"Delete {printable(_who(asked))} and everything kept about them? [y/N] ",
            end="",
            file=sys.stderr,
            flush=True,
        )
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            print_note("Nothing was deleted.")
            return 1
    return with_container(delete_user)(asked)


async def _switch(container: Container, who: str, *, disabled: bool) -> int:
    user = await container.switch_user()(who=who, disabled=disabled)
    print(f"{_called(user)} is {'disabled' if disabled else 'enabled'}")
    return 0


def _who(asked: argparse.Namespace) -> str:
    found: str = asked.email if asked.user is None else asked.user
    return found


def _called(user: User) -> str:
    return f"{user.email} ({user.id})"


def _password() -> str:
    """From a prompt that does not show it, or from a pipe."""
    if sys.stdin is not None and sys.stdin.isatty():
        try:
            password = getpass.getpass("Password: ")
            if getpass.getpass("Again: ") != password:
                sys.exit("The two passwords do not match.")
        except EOFError:
            sys.exit("No password was entered.")
        except UnicodeDecodeError:
            sys.exit(_NO_UTF8)
        return password
    line = b"" if sys.stdin is None else sys.stdin.buffer.readline(_LONGEST_LINE)
    try:
        password = first_line(line)
    except UnicodeDecodeError:
        sys.exit(_NO_UTF8)
    if not password:
        sys.exit("No password was given on standard input.")
    return password


_LONGEST_LINE = 65_536
_NO_UTF8 = "The password is not valid UTF-8."


def first_line(line: bytes) -> str:
    """The text of a line from a pipe, without its line end and a byte order mark. Raises UnicodeDecodeError."""
    text = line.decode("utf-8").removeprefix("\ufeff")
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\r\n") else text.removesuffix("\n")


def _about_one(users: Commands, verb: str, run: Run, text: str) -> argparse.ArgumentParser:
    made = users.add(verb, run, text)
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("user", type=name, nargs="?", metavar="USER", help="e-mail address, username or id")
    which.add_argument("--email", type=name, help="the same, by e-mail address")
    return made


def register(commands: Commands) -> None:
    users = commands.group("users", "Create, import, find and manage users.")
    text = "Create a user. The password is read from a prompt or from standard input."
    create = users.listing("create", with_container(create_user), text)
    create.add_argument("--email", type=name, required=True)
    create.add_argument("--username", type=name)
    create.add_argument("--role", type=role, default=Role.MEMBER, metavar=ROLES)
    create.add_argument("--verified", action="store_true", help="treat the e-mail address as verified")
    create.add_argument(
        "--password-hash", type=name, help="store this hash of another system instead of asking for a password"
    )

    text = "Find users by id, or by the beginning of their e-mail address or username."
    find = users.listing("find", with_container(find_users), text)
    which = find.add_mutually_exclusive_group()
    which.add_argument("query", type=name, nargs="?", default="", metavar="QUERY", help="all users by default")
    which.add_argument("--email", type=name, help="only users with exactly this e-mail address")
    find.add_argument("--role", type=role, metavar=ROLES)
    find.add_argument("--limit", type=whole, default=50, help="maximum number of users, 50 by default")

    grant = users.add("grant", with_container(grant_role), "Give a user a role.")
    grant.add_argument("--email", type=name, required=True)
    grant.add_argument("--role", type=role, required=True, metavar=ROLES)

    text = "Disable a user: end all sessions and refuse logins, effective immediately."
    _about_one(users, "disable", with_container(disable_user), text)
    _about_one(users, "enable", with_container(enable_user), "Enable a disabled user again.")
    text = "Delete a user with all sessions and links. Asks for confirmation at a terminal."
    delete = _about_one(users, "delete", _delete, text)
    delete.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    import_users.register(users)
