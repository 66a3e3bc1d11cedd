"""Mail that could not be delivered."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from entrypoints.cli.output import print_note, print_rows
from entrypoints.cli.parameters import LIMIT, Command, Failure, json_option, with_container

if TYPE_CHECKING:
    from entrypoints.container import Container

COLUMNS = ("id", "kind", "recipient", "created_at", "note")


@click.group(invoke_without_command=True)
@click.pass_context
def mail(ctx: click.Context) -> None:
    """List mail that could not be delivered, or send it again."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_mail)


@mail.command("list", cls=Command, examples=["", "--limit 1000 --json"])
@click.option("--limit", type=LIMIT, default=100, show_default=True, help="Maximum number of mails.")
@json_option
@with_container
async def list_mail(container: "Container", *, limit: int, as_json: bool) -> None:
    """List mail that could not be delivered, oldest first, with the reason."""
    parked = await container.list_parked_mails()(limit=limit + 1)
    rows = [{name: getattr(mail, name) for name in COLUMNS} for mail in parked[:limit]]
    print_rows(rows, columns=COLUMNS, empty="No undelivered mail.", as_json=as_json)
    if len(parked) > limit:
        print_note(f"Only the oldest {limit} are shown. Use a higher --limit to see more.")


@mail.command("redrive", cls=Command, examples=["0198c1f2-6a53-7c1e-9f0a-2f4f2b1d7e90"])
@click.argument("mail_id", type=click.UUID, metavar="ID")
@with_container
async def redrive_mail(container: "Container", *, mail_id: UUID) -> None:
    """Send a parked mail again."""
    if not await container.redrive_mail()(mail_id=mail_id):
        raise Failure("No parked mail has this id.")
