"""List and end the sessions of a user."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from entrypoints.cli.output import print_rows
from entrypoints.cli.parameters import TEXT, Command, Failure, json_option, with_container

if TYPE_CHECKING:
    from entrypoints.container import Container

COLUMNS = ("id", "created_at", "last_used_at", "ip", "user_agent")


@click.group
def sessions() -> None:
    """List or end the sessions of a user."""


@sessions.command("list", cls=Command, examples=["--email ada@example.org", "--email ada@example.org --json"])
@click.option("--email", type=TEXT, required=True)
@json_option
@with_container
async def list_sessions(container: "Container", *, email: str, as_json: bool) -> None:
    """List the sessions of a user, newest first."""
    rows = [
        {
            "id": session.id,
            "created_at": session.created_at,
            "last_used_at": session.rotated_at,
            "ip": session.client_info.ip,
            "user_agent": session.client_info.user_agent,
        }
        for session in await container.operator_list_sessions()(email=email)
    ]
    print_rows(rows, columns=COLUMNS, empty=f"{email} has no sessions.", as_json=as_json)


@sessions.command(
    "end", cls=Command, examples=["--email ada@example.org", "--id 0198c1f2-6a53-7c1e-9f0a-2f4f2b1d7e90"]
)
@click.option("--email", type=TEXT, help="End all sessions of this user.")
@click.option("--id", "session_id", type=click.UUID, help="End this session.")
def end_sessions(email: str | None, session_id: UUID | None) -> None:
    """End one session, or all sessions of a user, effective immediately."""
    if email is not None and session_id is None:
        _end_all(email)
    elif session_id is not None and email is None:
        _end_one(session_id)
    else:
        raise click.UsageError("Give either --email or --id.")


@with_container
async def _end_all(container: "Container", email: str) -> None:
    click.echo(f"{await container.operator_revoke_sessions()(email=email)} ended")


@with_container
async def _end_one(container: "Container", session_id: UUID) -> None:
    if not await container.operator_revoke_session()(session_id=session_id):
        raise Failure("This session had already ended.")
