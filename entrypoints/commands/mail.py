"""Mail that was given up."""

import argparse
from uuid import UUID

from entrypoints.commands.output import print_note, print_rows
from entrypoints.commands.registry import Commands, whole, with_container
from entrypoints.container import Container

_LIMIT = 100
COLUMNS = ("id", "kind", "recipient", "created_at", "note")


async def list_mail(container: Container, asked: argparse.Namespace) -> int:
    parked = await container.parked_mails()(limit=asked.limit + 1)
    rows = [{name: getattr(mail, name) for name in COLUMNS} for mail in parked[: asked.limit]]
    print_rows(rows, columns=COLUMNS, empty="No undelivered mail.", as_json=asked.json)
    if len(parked) > asked.limit:
        print_note(f"Only the oldest {asked.limit} are shown. Use a higher --limit to see more.")
    return 0


async def redrive_mail(container: Container, asked: argparse.Namespace) -> int:
    if await container.redrive_mail()(mail_id=asked.id):
        return 0
    print_note("No parked mail has this id.")
    return 1


def register(commands: Commands) -> None:
    listing = with_container(list_mail)
    mail = commands.group(
        "mail", "List mail that could not be delivered, or send it again.", default=listing, limit=_LIMIT
    )
    oldest = mail.listing("list", listing, "List mail that could not be delivered, oldest first, with the reason.")
    oldest.add_argument("--limit", type=whole, default=_LIMIT, help=f"maximum number of mails, {_LIMIT} by default")
    mail.add("redrive", with_container(redrive_mail), "Send a parked mail again.").add_argument("id", type=UUID)
