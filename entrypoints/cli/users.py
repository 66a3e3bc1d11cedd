"""Users, managed by the operator: the first admin comes from here."""

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from domain.role import Role
from entrypoints.cli.import_users.command import import_users
from entrypoints.cli.output import USER, print_json, print_note, print_rows, printable, user_row
from entrypoints.cli.parameters import LIMIT, ROLE, TEXT, Command, Failure, WrongInput, json_option, with_container
from entrypoints.cli.passwords import read_password

if TYPE_CHECKING:
    from domain.user import User
    from entrypoints.container import Container

_UNVERIFIED_ROLE = """\
warning: this user is not verified, so the role {role} is not in force yet. A link was mailed to {email}: the role \
applies once the link is followed. To verify the address yourself, use --verified."""


@click.group
def users() -> None:
    """Create, import, find and manage users."""


users.add_command(import_users)


@users.command(
    "create",
    cls=Command,
    examples=["--email ada@example.org --role admin --verified", "--email ada@example.org --username ada --json"],
)
@click.option("--email", type=TEXT, required=True)
@click.option("--username", type=TEXT)
@click.option("--role", type=ROLE, default=Role.MEMBER, show_default="member")
@click.option("--verified", is_flag=True, help="Treat the e-mail address as verified.")
@click.option(
    "--password-hash", type=TEXT, help="Store this hash of another system instead of asking for a password."
)
@json_option
@with_container
async def create_user(
    container: "Container",
    *,
    email: str,
    username: str | None,
    role: Role,
    verified: bool,
    password_hash: str | None,
    as_json: bool,
) -> None:
    """Create a user. The password is read from a prompt or from standard input."""
    if password_hash is not None and not container.hasher().can_verify(password_hash):
        text = "--password-hash: this hash is not supported. Use a hash of bcrypt, argon2, Django or passlib."
        raise WrongInput(text)
    user = await container.create_user()(
        email=email,
        username=username,
        role=role,
        verified=verified,
        password_hash=password_hash,
        password=read_password() if password_hash is None else None,
    )
    if user is None:
        raise Failure("A verified user already has this address or username.")
    if as_json:
        print_json(user_row(user))
    else:
        click.echo(user.id)
    if not user.verified and user.role is not Role.MEMBER:
        print_note(_UNVERIFIED_ROLE.format(role=user.role, email=user.email))


@users.command("find", cls=Command, examples=["", "ada", "--role admin --json", "--email ada@example.org"])
@click.argument("query", type=TEXT, required=False)
@click.option("--email", type=TEXT, help="Only users with exactly this e-mail address.")
@click.option("--role", type=ROLE)
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="Maximum number of users.")
@json_option
def find_users(*, query: str | None, email: str | None, **options: Any) -> None:
    """Find users by id, or by the beginning of their e-mail address or username. Without QUERY, all users."""
    if query is not None and email is not None:
        raise click.UsageError("Give either QUERY or --email.")
    _find(query=query or "", email=email, **options)


@with_container
async def _find(
    container: "Container", *, query: str, email: str | None, role: Role | None, limit: int, as_json: bool
) -> None:
    users, more = await container.find_users()(query=query if email is None else email, role=role, limit=limit)
    if email is not None:
        users, more = [user for user in users if user.email == email.lower()], False
    print_rows([user_row(user) for user in users], columns=USER, empty="No users found.", as_json=as_json)
    if more:
        print_note(f"Only the first {len(users)} are shown. Use a longer prefix or a higher --limit.")


@users.command("grant", cls=Command, examples=["--email ada@example.org --role moderator"])
@click.option("--email", type=TEXT, required=True)
@click.option("--role", type=ROLE, required=True)
@with_container
async def grant_role(container: "Container", *, email: str, role: Role) -> None:
    """Give a user a role."""
    changed = await container.grant_role()(email=email, role=role)
    click.echo(f"{changed.email} is {changed.role}")


def _with_user(command: Callable[..., None]) -> Callable[..., None]:
    """Pass USER or --email, exactly one of them, as `who`."""

    @click.argument("user", type=TEXT, required=False)
    @click.option("--email", type=TEXT, help="The same, by e-mail address.")
    @functools.wraps(command)
    def run(*, user: str | None, email: str | None, **options: Any) -> None:
        if (user is None) == (email is None):
            raise click.UsageError("Give either USER or --email.")
        command(who=email if user is None else user, **options)

    return run


@users.command("disable", cls=Command, examples=["ada@example.org", "ada"])
@_with_user
@with_container
async def disable_user(container: "Container", *, who: str) -> None:
    """Disable a user: end all sessions and refuse logins, effective immediately.

    USER is an e-mail address, a username or an id.
    """
    click.echo(f"{_shown(await container.set_user_disabled()(who=who, disabled=True))} is disabled")


@users.command("enable", cls=Command, examples=["ada@example.org", "ada"])
@_with_user
@with_container
async def enable_user(container: "Container", *, who: str) -> None:
    """Enable a disabled user again.

    USER is an e-mail address, a username or an id.
    """
    click.echo(f"{_shown(await container.set_user_disabled()(who=who, disabled=False))} is enabled")


@users.command("delete", cls=Command, examples=["ada@example.org", "--yes ada"])
@_with_user
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete_user(*, who: str, yes: bool) -> None:
    """Delete a user with all sessions and links. Asks for confirmation at a terminal.

    USER is an e-mail address, a username or an id.
    """
    question = f"Delete {printable(who)} and everything kept about them?"
    if sys.stdin.isatty() and not yes and not click.confirm(question, err=True):
        raise Failure("Nothing was deleted.")
    _delete(who)


@with_container
async def _delete(container: "Container", who: str) -> None:
    click.echo(f"{_shown(await container.operator_delete_user()(who=who))} is deleted")


def _shown(user: "User") -> str:
    return f"{user.email} ({user.id})"
