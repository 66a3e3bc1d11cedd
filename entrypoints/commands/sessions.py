"""Where somebody is logged in, and ending it: for the operator on the telephone with them."""

import argparse
import sys
from uuid import UUID

from entrypoints.commands.registry import Commands, with_container
from entrypoints.container import Container


async def list_sessions(container: Container, asked: argparse.Namespace) -> int:
    for session in await container.sessions_of()(email=asked.email):
        used = f"{session.rotated_at:%Y-%m-%dT%H:%M:%SZ}"
        print(session.id, used, session.origin.ip, session.origin.user_agent, sep="\t")
    return 0


async def end_sessions(container: Container, asked: argparse.Namespace) -> int:
    if asked.email is not None:
        print(f"{await container.end_sessions_of()(email=asked.email)} ended")
        return 0
    if await container.end_any_session()(session_id=asked.id):
        return 0
    print("This session was over already.", file=sys.stderr)
    return 1


def register(commands: Commands) -> None:
    group = commands.group("sessions", "List the sessions of a user, or end them.")
    listing = group.add("list", with_container(list_sessions), "One line each: id, last used, address, device.")
    listing.add_argument("--email", required=True)
    ending = group.add("end", with_container(end_sessions), "End one session, or all of a user; in force at once.")
    which = ending.add_mutually_exclusive_group(required=True)
    which.add_argument("--email", help="whose sessions all end")
    which.add_argument("--id", type=UUID, help="the one that ends")
