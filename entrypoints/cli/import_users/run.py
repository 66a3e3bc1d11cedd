"""Imports users from a file. It can be run again after an interruption at any point."""

import os
import signal
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from io import BufferedReader
from pathlib import Path

import click

from application.administration.import_users import ImportIssue
from domain.refusals import Refusal
from domain.role import Role
from entrypoints.cli.import_users.batches import ImportStats, import_batches
from entrypoints.cli.import_users.files import ReadResult, read_cells, read_lines
from entrypoints.cli.import_users.progress import Progress
from entrypoints.cli.import_users.rows import from_better_auth, from_firebase, from_json
from entrypoints.cli.output import print_json, print_note, printable
from entrypoints.cli.parameters import Failure, WrongInput, with_container
from entrypoints.container import Container


def run(
    *,
    file: Path,
    file_format: str | None,
    firebase_parameters: Path | None,
    highest_role: Role,
    listing: Path | None,
    as_json: bool,
) -> int:
    """The exit status. Raises WrongInput if a file cannot be read."""
    stats = ImportStats()
    with ExitStack() as opened:
        try:
            source = opened.enter_context(file.open("rb"))
            listed = listing.open("a") if listing else sys.stderr
            rows = _rows(source, file_format or ("csv" if file.suffix == ".csv" else "jsonl"), firebase_parameters)
        except OSError as error:
            raise WrongInput(f"{error.filename}: {error.strerror}") from None
        except ValueError as error:
            raise WrongInput(f"{file}: {error}") from None
        if listing:
            opened.callback(_written, listing, listed.close)
        progress = Progress(os.fstat(source.fileno()).st_size)
        stop = StopFlag(progress)  # here, because only the main thread can install signal handlers

        def report(remarks: Sequence[ImportIssue]) -> None:
            if remarks:
                progress.clear()
            for remark in remarks:
                line = f"line {remark.line}: {printable(remark.reason)}"
                _written(listing, partial(click.echo, line, file=listed))
            progress.update(source.tell(), stats.read)

        trouble = _import(rows, stats, highest_role, progress, stop, report)
    if as_json:
        print_json(asdict(stats))
    else:
        click.echo(stats)
    if trouble:
        print_note(f"{trouble} Run it again for the rest.")
    return 1 if trouble or stats.listed else 0


def _written(listing: Path | None, write: Callable[[], None]) -> None:
    """Raises Failure if the list of problem rows cannot be written."""
    try:
        write()
    except OSError as error:
        raise Failure(f"{listing or 'standard error'}: {error.strerror}") from None


@with_container
async def _import(
    container: Container,
    rows: Iterator[ReadResult],
    stats: ImportStats,
    highest_role: Role,
    progress: Progress,
    stop: "StopFlag",
    report: Callable[[Sequence[ImportIssue]], None],
) -> str:
    """Why the import stopped before the end, or an empty text."""
    with progress:
        try:
            await import_batches(
                container, rows, stats, highest_role=highest_role, report=report, stopped=lambda: stop.is_set
            )
        except Refusal as refusal:
            return f"{refusal.code}: {refusal.detail}"
        if stop.is_set:
            return "Stopped."
        progress.finish()
        return ""


class StopFlag:
    """The first interrupt waits for the current batch; the second one does not."""

    def __init__(self, progress: Progress) -> None:
        self.is_set = False
        self._progress = progress
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._set)

    def _set(self, number: int, _frame: object) -> None:
        self.is_set = True
        self._progress.show_cursor()
        signal.signal(number, signal.SIG_DFL)


def _rows(file: BufferedReader, file_format: str, firebase_parameters: Path | None) -> Iterator[ReadResult]:
    """Raises ValueError or OSError if this is no such file."""
    if file.peek(2)[:2] in {BOM_UTF16_LE, BOM_UTF16_BE}:
        raise ValueError("this is UTF-16, as PowerShell writes it; save it as UTF-8")
    match file_format:
        case "csv":
            return read_cells(file)
        case "better-auth":
            return read_lines(file, from_better_auth)
        case "firebase":
            if firebase_parameters is None:
                raise ValueError("--firebase-parameters has to name the file with the hash parameters of the project")
            return read_lines(file, from_firebase(firebase_parameters.read_text(encoding="utf-8-sig")))
        case _:
            return read_lines(file, from_json)
