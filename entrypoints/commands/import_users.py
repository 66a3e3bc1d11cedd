"""Users of another system, taken over from a file. Stopped anywhere, it is simply run again."""

import argparse
import signal
import sys
import threading
import time
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from io import BufferedReader
from itertools import islice
from pathlib import Path

from application.import_users import ImportIssue, ImportRow
from domain.refusals import Refusal
from domain.role import Role
from entrypoints.commands.output import print_json, printable
from entrypoints.commands.registry import ROLES, Commands, role, with_container
from entrypoints.container import Container
from entrypoints.progress import Progress
from entrypoints.user_files import Found, read_cells, read_lines
from entrypoints.user_rows import COLUMNS, from_better_auth, from_firebase, from_json

_LEAST, _FIRST, _MOST = 10, 500, 2000
"""Rows of a batch, which is one transaction."""
_PATIENCE = 1.0
"""Seconds that a batch should take. Weak hashes take long, and what they took would be lost with their batch."""

_ABOUT = f"""\
Import users of another system, from JSON Lines (one object a line) or CSV (whose first row names the columns):
{", ".join(COLUMNS)}.

Every column except email may be missing or empty. Users without password_hash must request a password reset link.
role is member (default), moderator or admin. verified and disabled are true or false (default). created_at is
ISO 8601, in UTC if it has no time zone; the default is now.

Hashes of bcrypt, argon2, Django, passlib (pbkdf2, scrypt), Firebase and better-auth are stored until the next login,
which replaces them. Weak hashes (plain MD5 and SHA, md5-crypt) are hashed again during the import, which takes as
long as a login for each. No mail is sent.

You can run it again after an interruption: users that were imported before are recognised by their address and
skipped. A verified address of another user is not taken over. A user whose username is taken or not valid is imported
without it. These rows, and rows that are not valid, are listed with line number and reason.

Exit status: 0 if no row is listed, 1 if some are or the import stopped, 2 if the file cannot be read.
"""
_FORMATS = """csv if the file name ends in .csv, otherwise jsonl. better-auth: one object a line, with email,
emailVerified, createdAt, username, role, banned, and the password of its account. firebase: one object a line, each
one of `users` in what `firebase auth:export users.json` writes"""
_PARAMETERS = "the hash parameters of the project, as its console shows them: signer key, salt separator, and so on"
_HIGHEST = "list users with a higher role instead of importing them; member by default"

Report = Callable[[Sequence[ImportIssue]], None]


@dataclass
class Tally:
    read: int = 0
    added: int = 0
    known: int = 0
    listed: int = 0
    nameless: int = 0
    """Of those that are listed, how many came in all the same."""


async def import_users(container: Container, asked: argparse.Namespace) -> int:
    tally, trouble = Tally(), ""
    with ExitStack() as opened:
        try:
            file = opened.enter_context(asked.file.open("rb"))
            listing = opened.enter_context(asked.list.open("a")) if asked.list else sys.stderr
            rows = _rows(file, asked)
        except OSError as error:
            print(f"{error.filename}: {error.strerror}", file=sys.stderr)
            return 2
        except ValueError as error:
            print(f"{asked.file}: {error}", file=sys.stderr)
            return 2
        progress = Progress(sys.stderr, asked.file.stat().st_size)

        def report(remarks: Sequence[ImportIssue]) -> None:
            if remarks:
                progress.clear()
            for remark in remarks:
                print(f"line {remark.line}: {printable(remark.reason)}", file=listing, flush=True)
            progress.tell(file.tell(), tally.read)

        try:
            if await _take_over(rows, container, asked, tally, report):
                progress.tell(0, tally.read, done=True)
            else:
                trouble = "Stopped."
        except Refusal as refusal:
            trouble = f"{refusal.code}: {refusal.detail}"
    if asked.json:
        print_json(asdict(tally))
    else:
        nameless = f", {tally.nameless:,} of them without their username" if tally.nameless else ""
        print(f"{tally.added:,} imported, {tally.known:,} imported before, {tally.listed:,} listed{nameless}")
    if trouble:
        progress.clear()
        print(f"{trouble} Run it again for the rest.", file=sys.stderr)
    return 1 if trouble or tally.listed else 0


async def _take_over(
    rows: Iterator[Found], container: Container, asked: argparse.Namespace, tally: Tally, report: Report
) -> bool:
    """Whether it came to the end, and was not asked to stop before."""
    take = container.import_users()
    since, size = container.clock()(), _FIRST
    while batch := list(islice(rows, size)):
        began = time.monotonic()
        newcomers = [row for row in batch if isinstance(row, ImportRow)]
        imported = await take(newcomers, since=since, highest=asked.highest_role)
        remarks = [*imported.remarks, *(row for row in batch if isinstance(row, ImportIssue))]
        tally.read += len(batch)
        tally.added += imported.added
        tally.known += imported.known
        tally.listed += len(remarks)
        tally.nameless += sum(not remark.lost for remark in remarks)
        report(sorted(remarks, key=lambda remark: remark.line))
        took = time.monotonic() - began
        size = max(_LEAST, min(_MOST, 2 * size, int(size * _PATIENCE / max(took, 0.001))))
        if asked.stop.is_set():
            return False
    return True


def _rows(file: BufferedReader, asked: argparse.Namespace) -> Iterator[Found]:
    if file.peek(2)[:2] in {BOM_UTF16_LE, BOM_UTF16_BE}:
        raise ValueError("this is UTF-16, as PowerShell writes it; save it as UTF-8")
    match asked.format or ("csv" if asked.file.suffix == ".csv" else "jsonl"):
        case "csv":
            return read_cells(file)
        case "better-auth":
            return read_lines(file, from_better_auth)
        case "firebase":
            if asked.firebase_parameters is None:
                raise ValueError("--firebase-parameters has to name the file with the hash parameters of the project")
            return read_lines(file, from_firebase(asked.firebase_parameters.read_text(encoding="utf-8-sig")))
        case _:
            return read_lines(file, from_json)


def _run(asked: argparse.Namespace) -> int:
    """The first interrupt waits for the current batch; the second one does not."""
    asked.stop = threading.Event()

    def stop(number: int, _: object) -> None:
        asked.stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return with_container(import_users)(asked)


def register(users: Commands) -> None:
    text = "Import users and their password hashes from a file of another system."
    taking = users.listing("import", _run, text)
    taking.description, taking.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    taking.add_argument("file", type=Path)
    taking.add_argument("--format", choices=("jsonl", "csv", "better-auth", "firebase"), help=_FORMATS)
    taking.add_argument("--firebase-parameters", type=Path, metavar="FILE", help=_PARAMETERS)
    taking.add_argument("--highest-role", type=role, default=Role.MEMBER, metavar=ROLES, help=_HIGHEST)
    taking.add_argument("--list", type=Path, metavar="FILE", help="append the list of problem rows to this file")
