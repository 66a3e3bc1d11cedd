"""Clients: programs that may introspect and revoke tokens."""

import sys
from typing import TYPE_CHECKING
from uuid import UUID

import click

from entrypoints.cli.output import print_json, print_note, print_rows
from entrypoints.cli.parameters import TEXT, Command, Failure, json_option, with_container

if TYPE_CHECKING:
    from entrypoints.container import Container

COLUMNS = ("id", "created_at", "name")


@click.group(invoke_without_command=True)
@click.pass_context
def clients(ctx: click.Context) -> None:
    """Manage clients: programs that may introspect and revoke tokens."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_clients)


@clients.command("list", cls=Command, examples=["", "--json"])
@json_option
@with_container
async def list_clients(container: "Container", *, as_json: bool) -> None:
    """List the clients."""
    rows = [{name: getattr(client, name) for name in COLUMNS} for client in await container.list_clients()()]
    print_rows(rows, columns=COLUMNS, empty="There are no clients.", as_json=as_json)


@clients.command("add", cls=Command, examples=["--name notes"])
@click.option("--name", type=TEXT, required=True)
@json_option
@with_container
async def add_client(container: "Container", *, name: str, as_json: bool) -> None:
    """Add a client. Its secret is shown only once."""
    if sys.stdout is None:
        raise Failure("Standard output is closed, so the secret cannot be shown. No client was added.")
    client, secret = await container.add_client()(name=name)
    try:
        _show({"client_id": client.id, "client_secret": secret}, as_json=as_json)
    except OSError:
        await container.remove_client()(client.id)  # its secret is lost
        raise
    print_note("Save this secret now. It will not be shown again.")


@clients.command("remove", cls=Command, examples=["0198c1f2-6a53-7c1e-9f0a-2f4f2b1d7e90"])
@click.argument("client_id", type=click.UUID, metavar="ID")
@with_container
async def remove_client(container: "Container", *, client_id: UUID) -> None:
    """Remove a client. Its secret stops working at once."""
    if not await container.remove_client()(client_id):
        raise Failure("No client has this id.")


def _show(credentials: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json(credentials)
        return
    for field, value in credentials.items():
        click.echo(f"{field}\t{value}")
