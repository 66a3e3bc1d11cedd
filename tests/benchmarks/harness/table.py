"""Figures that several processes report and one table shows: one JSON line for each row, in a file that the parent
names."""

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROWS = "BENCH_ROWS"
"""The environment variable that names the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    figure: str
    measured: str
    ratio: str = ""
    aim: str = ""
    within_aim: bool | None = None
    """None if there is no aim, or if it cannot be judged on this machine."""
    note: str = ""


def report(
    figure: str,
    measured: Sequence[float],
    unit: str,
    *,
    against: Sequence[float] = (),
    least: float | None = None,
    most: float | None = None,
    note: str = "",
    sure: bool = True,
) -> None:
    """A figure of several rounds. The aim is for the median, or for the median ratio to `against` of the same rounds.
    If it is not `sure`, the aim is not judged, and the note says why."""
    ratios = [
        own / reference if reference else float("inf") for own, reference in zip(measured, against, strict=False)
    ]
    judged = statistics.median(ratios or measured)
    within_aim = (least is None or judged >= least) and (most is None or judged <= most)
    sign, bound = ("≥", least) if least is not None else ("≤", most)
    aim = "" if bound is None else f"{sign} {number(bound)} {'×' if ratios else unit}".rstrip()
    row = Row(
        figure=figure,
        measured=f"{spread(measured)} {unit}".rstrip(),
        ratio=spread(ratios) if ratios else "",
        aim=aim,
        within_aim=within_aim if aim and sure else None,
        note=note,
    )
    write(row)


def report_missing(figure: str, why: str) -> None:
    """A figure that could not be measured here."""
    write(Row(figure=figure, measured="not run", note=why))


def write(row: Row) -> None:
    print("    " + " | ".join(str(cell) for cell in _cells(row) if cell), flush=True)
    if path := os.environ.get(ROWS):
        with Path(path).open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")


def spread(values: Sequence[float]) -> str:
    """The median; of several values also minimum and maximum."""
    if not values:
        return ""
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))} to {number(max(values))})"


def number(value: float) -> str:
    """The number with its significant digits."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def read(path: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def format_table(rows: Sequence[Row]) -> str:
    """The table with aligned columns."""
    lines = [("figure", "measured", "ratio", "aim", "met", ""), *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[5]]).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, str, str, str, str, str]:
    verdict = {True: "yes", False: "NO", None: "-" if row.aim else ""}[row.within_aim]
    return row.figure, row.measured, row.ratio, row.aim, verdict, row.note
