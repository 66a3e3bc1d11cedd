"""Output of commands: a table for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from domain.user import User


def printable(text: str) -> str:
    """Escapes control and format characters, so that a text cannot move the cursor of a terminal or forge a line."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def print_json(value: object) -> None:
    """Print one JSON document in ASCII, which any terminal and encoding can show."""
    click.echo(json.dumps(value, indent=2, default=_encoded))


def print_rows(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str], empty: str, as_json: bool) -> None:
    """Print a table with a header, or the sentence `empty` if there are no rows. With `--json`, a list of objects."""
    if as_json:
        print_json([{name: row[name] for name in columns} for row in rows])
    elif rows:
        _print_table([[_cell(row[name]) for name in columns] for row in rows], columns)
    else:
        click.echo(empty)


def print_note(text: str) -> None:
    """Print a note for people to standard error."""
    click.echo(text, err=True)


def moment(when: datetime) -> str:
    """RFC 3339, in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


USER = ("id", "email", "username", "role", "verified", "disabled", "created_at", "factors")


def user_row(user: "User") -> dict[str, Any]:
    """The fields of a user as the HTTP API names them."""
    return {name: getattr(user, name) for name in USER}


def _print_table(cells: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    header = [name.upper() for name in columns]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for row in (header, *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    match value:
        case None | "" | ():
            return "-"
        case tuple():
            return ", ".join(map(_cell, value))
        case bool():
            return "yes" if value else "no"
        case datetime():
            return moment(value)
        case _:
            return printable(str(value))


def _encoded(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
