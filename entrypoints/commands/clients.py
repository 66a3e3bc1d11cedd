"""Clients: programs that may introspect and revoke tokens."""

import argparse
from uuid import UUID

from entrypoints.commands.output import print_json, print_note, print_rows
from entrypoints.commands.registry import Commands, name, with_container
from entrypoints.container import Container

COLUMNS = ("id", "created_at", "name")


async def add_client(container: Container, asked: argparse.Namespace) -> int:
    client, secret = await container.add_client()(name=asked.name)
    shown = {"client_id": client.id, "client_secret": secret}
    if asked.json:
        print_json(shown)
    else:
        for field, value in shown.items():
            print(field, value, sep="\t")
    print_note("Save this secret now. It will not be shown again.")
    return 0


async def list_clients(container: Container, asked: argparse.Namespace) -> int:
    rows = [{name: getattr(client, name) for name in COLUMNS} for client in await container.list_clients()()]
    print_rows(rows, columns=COLUMNS, empty="There are no clients.", as_json=asked.json)
    return 0


async def remove_client(container: Container, asked: argparse.Namespace) -> int:
    if await container.remove_client()(asked.id):
        return 0
    print_note("No client has this id.")
    return 1


def register(commands: Commands) -> None:
    listing = with_container(list_clients)
    clients = commands.group(
        "clients", "Manage clients: programs that may introspect and revoke tokens.", default=listing
    )
    clients.listing("list", listing, "List the clients.")
    adding = clients.listing("add", with_container(add_client), "Add a client. Its secret is shown only once.")
    adding.add_argument("--name", type=name, required=True)
    clients.add(
        "remove", with_container(remove_client), "Remove a client. Its secret stops working at once."
    ).add_argument("id", type=UUID)
