"""Reads files of other systems row by row. A row that is not a user becomes an issue with its line number."""

import csv
import json
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any, BinaryIO

from application.administration.import_users import ImportIssue, ImportRow
from entrypoints.cli.import_users.rows import COLUMNS, Read, from_cells

LONGEST = 65_536
"""Longest line in bytes, and longest cell in characters, so that a malformed file cannot fill the memory."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

ReadResult = ImportRow | ImportIssue


def read_lines(file: BinaryIO, read: Read) -> Iterator[ReadResult]:
    """JSON Lines; `read` translates each. Skips empty lines."""
    number = 0
    while text := file.readline(LONGEST + 1):
        number += 1
        if len(text) > LONGEST:
            while text and not text.endswith(b"\n"):
                text = file.readline(LONGEST)
            yield ImportIssue(number, f"The line is longer than {LONGEST} bytes.")
            continue
        text = text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else text
        if text.strip():
            try:
                result = read(text, number)
                json.loads(text.decode(), object_pairs_hook=_once_each)
                yield result
            except (ValueError, OverflowError, RecursionError) as error:
                yield ImportIssue(number, f"{error}.")


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    """Refuses repeated names, because decoders differ in which value counts (RFC 8259 section 4)."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"the field `{max(names, key=names.count)}` stands twice")


def read_cells(file: BinaryIO) -> Iterator[ReadResult]:
    """CSV (RFC 4180) in UTF-8. Raises ValueError if the first row does not name the columns."""
    csv.field_size_limit(LONGEST)
    # Invalid UTF-8 becomes lone surrogates, which no field accepts: so it is an issue of one row.
    text = TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
    rows = csv.reader(text, strict=True)
    try:
        columns = next(rows, [])
    except csv.Error as error:
        raise ValueError(f"the first row is no row: {error}") from None
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise ValueError(f"the first row names {unknown[0]!r}, and the columns are {', '.join(COLUMNS)}")
    if "email" not in columns or len(set(columns)) < len(columns):
        raise ValueError("the first row has to name each column once, and `email` among them")
    return _cells(text, rows, columns)


def _cells(text: TextIOWrapper, rows: Any, columns: list[str]) -> Iterator[ReadResult]:
    while True:
        first = rows.line_num + 1
        try:
            cells = next(rows, None)
            if cells is None:
                text.detach()  # the caller closes the file
                return
            if not cells:
                continue
            if len(cells) != len(columns):
                raise ValueError(f"there are {len(cells)} cells for {len(columns)} columns")
            yield from_cells(dict(zip(columns, cells, strict=True)), first)
        except (ValueError, OverflowError, csv.Error) as error:
            last = rows.line_num
            yield ImportIssue(first, f"{error}." if last <= first else f"{error}, from here to line {last}.")
