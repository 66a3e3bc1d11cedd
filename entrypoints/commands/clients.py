"""The programs that may ask about tokens."""

import argparse
import sys
from uuid import UUID

from entrypoints.commands.registry import Commands, with_container
from entrypoints.container import Container


async def add_client(container: Container, asked: argparse.Namespace) -> int:
    client, secret = await container.add_client()(name=asked.name)
    print("client_id", client.id, sep="\t")
    print("client_secret", secret, sep="\t")
    print("Nobody can show this secret again: it is not kept.", file=sys.stderr)
    return 0


async def list_clients(container: Container, _: argparse.Namespace) -> int:
    for client in await container.list_clients()():
        print(client.id, f"{client.created_at:%Y-%m-%dT%H:%M:%SZ}", client.name, sep="\t")
    return 0


async def remove_client(container: Container, asked: argparse.Namespace) -> int:
    if await container.remove_client()(asked.id):
        return 0
    print("No client has this id.", file=sys.stderr)
    return 1


def register(commands: Commands) -> None:
    listing = with_container(list_clients)
    clients = commands.group("clients", "The programs that may ask about tokens, or revoke them.", default=listing)
    clients.add("list", listing, "One line each: id, when it was made, name.")
    adding = clients.add("add", with_container(add_client), "Make one; its secret is printed once.")
    adding.add_argument("--name", required=True)
    clients.add("remove", with_container(remove_client), "It may ask no more.").add_argument("id", type=UUID)
