"""Second factors of users: passkeys, authenticator apps (TOTP) and recovery codes."""

import sys
from typing import TYPE_CHECKING

import click

from entrypoints.cli.output import moment, print_json, print_note, print_rows, printable
from entrypoints.cli.parameters import TEXT, Command, Failure, json_option, with_container

if TYPE_CHECKING:
    from entrypoints.container import Container

COLUMNS = ("id", "kind", "name", "created_at", "last_used_at", "backed_up")

_user = click.option("--user", "who", type=TEXT, required=True, help="E-mail address, username or id.")


@click.group
def factors() -> None:
    """List, reset or enable second factors."""


@factors.command("list", cls=Command, examples=["--user ada@example.org", "--user ada --json"])
@_user
@json_option
@with_container
async def list_factors(container: "Container", *, who: str, as_json: bool) -> None:
    """List a user's factors and recovery codes.

    Factors come oldest first. Of the recovery codes only the number is known.
    """
    user, in_use, codes = await container.operator_list_factors()(who=who)
    rows = [
        {
            "id": factor.id,
            "kind": factor.kind,
            "name": factor.name,
            "created_at": factor.created_at,
            "last_used_at": factor.last_used_at,
            "backed_up": factor.passkey and factor.passkey.backed_up,
        }
        for factor in in_use
    ]
    if as_json:
        left = codes and {"left": codes.left, "created_at": codes.created_at}
        print_json({"items": rows, "recovery_codes": left})
        return
    print_rows(rows, columns=COLUMNS, empty=f"{user.email} has no second factor.", as_json=False)
    if codes is not None:
        click.echo(f"{codes.left} recovery codes left, created {moment(codes.created_at)}")


@factors.command("reset", cls=Command, examples=["--user ada@example.org", "--user ada --yes"])
@_user
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def reset_factors(*, who: str, yes: bool) -> None:
    """Remove all factors of a user who has lost them.

    Recovery codes are removed as well, and all sessions end. The user can then log in with the password alone. First
    make sure, by other means than e-mail, that you talk to the owner of the account. The owner gets a mail with a
    link that can undo the reset within seven days.

    Asks for confirmation at a terminal. Exit status 1 if the user has no second factor.
    """
    question = f"Remove all second factors of {printable(who)}?"
    if sys.stdin.isatty() and not yes and not click.confirm(question, err=True):
        raise Failure("Nothing was removed.")
    _reset(who)


@with_container
async def _reset(container: "Container", who: str) -> None:
    removed = await container.operator_reset_factors()(who=who)
    if not removed:
        raise Failure("This user has no second factor.")
    click.echo(f"{removed} removed, all sessions ended")


@factors.command("enable", cls=Command, examples=[""])
@with_container
async def enable_factors(container: "Container") -> None:
    """Let users add factors after an upgrade.

    Processes of release 0.2 accept a password alone. Therefore users cannot add factors after such an upgrade until
    you run this. New installations do not need it. Run it once all API processes run this version, and do not go
    back to an earlier release afterwards. Running it again changes nothing.
    """
    if await container.open_enrolment()():
        click.echo("Users can add second factors now.")
    else:
        print_note("Second factors are already enabled.")
