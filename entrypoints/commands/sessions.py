"""List and end the sessions of a user."""

import argparse
from uuid import UUID

from entrypoints.commands.output import print_note, print_rows
from entrypoints.commands.registry import Commands, name, with_container
from entrypoints.container import Container

COLUMNS = ("id", "created_at", "last_used_at", "ip", "user_agent")


async def list_sessions(container: Container, asked: argparse.Namespace) -> int:
    rows = [
        {
            "id": session.id,
            "created_at": session.created_at,
            "last_used_at": session.rotated_at,
            "ip": session.origin.ip,
            "user_agent": session.origin.user_agent,
        }
        for session in await container.sessions_of()(email=asked.email)
    ]
    print_rows(rows, columns=COLUMNS, empty=f"{asked.email} has no sessions.", as_json=asked.json)
    return 0


async def end_sessions(container: Container, asked: argparse.Namespace) -> int:
    if asked.email is not None:
        print(f"{await container.end_sessions_of()(email=asked.email)} ended")
        return 0
    if await container.end_any_session()(session_id=asked.id):
        return 0
    print_note("This session had already ended.")
    return 1


def register(commands: Commands) -> None:
    group = commands.group("sessions", "List or end the sessions of a user.")
    listing = group.listing("list", with_container(list_sessions), "List the sessions of a user, newest first.")
    listing.add_argument("--email", type=name, required=True)
    ending = group.add(
        "end", with_container(end_sessions), "End one session, or all sessions of a user, effective immediately."
    )
    which = ending.add_mutually_exclusive_group(required=True)
    which.add_argument("--email", type=name, help="end all sessions of this user")
    which.add_argument("--id", type=UUID, help="end this session")
