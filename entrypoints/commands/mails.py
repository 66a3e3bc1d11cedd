"""Mails that were given up."""

import argparse
import sys
from uuid import UUID

from entrypoints.commands.registry import Commands, with_container
from entrypoints.container import Container


async def list_mails(container: Container, _: argparse.Namespace) -> int:
    for mail in await container.parked_mails()():
        print(mail.id, mail.kind, mail.recipient, f"{mail.created_at:%Y-%m-%dT%H:%M:%SZ}", mail.note, sep="\t")
    return 0


async def redrive_mail(container: Container, asked: argparse.Namespace) -> int:
    if await container.redrive_mail()(mail_id=asked.id):
        return 0
    print("No parked mail has this id.", file=sys.stderr)
    return 1


def register(commands: Commands) -> None:
    listing = with_container(list_mails)
    mails = commands.group("mails", "List the mails that were given up, or try one again.", default=listing)
    mails.add("list", listing, "One line each: id, kind, recipient, when, why.")
    mails.add("redrive", with_container(redrive_mail), "Make it due again.").add_argument("id", type=UUID)
