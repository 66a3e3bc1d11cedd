"""Counters. Every label is from a fixed list, so clients cannot create new series."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.refusals import Code
from entrypoints.http.problems import CATALOGUE
from entrypoints.shared_row import SharedRow

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds; what takes longer has a bucket of its own."""

COUNTS = "_LATCHKEY_COUNTS"
"""The folder in which the processes of one service meet, told to them by the one that starts them."""

UNKNOWN = "-"
"""Stands for a route that there is none of, and for an answer that never began."""

OTHER = "other"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)
STATUSES = (
    *sorted({200, 201, 202, 204, 303, 304, 414, 431} | {status for status, _ in CATALOGUE.values()}),
    OTHER,
    UNKNOWN,
)
SUCCESS = "success"
LOGIN = ("POST", "/v1/login")
USUAL = (SUCCESS, Code.INVALID_CREDENTIALS)
HASHES = ("running", "waiting")

Call = tuple[str, str]
"""A method and the template of a route."""

_STATUS: dict[object, int] = {status: place for place, status in enumerate((*STATUSES[:-1], None))}
_OTHER = _STATUS[OTHER]
_BUCKETS = len(STATUSES)
_SUM = _BUCKETS + len(BOUNDS) + 1
_BLOCK = _SUM + 1


@dataclass(frozen=True, slots=True)
class Counted:
    """What all processes have counted together. There is a bucket below each of `BOUNDS`, and one above them all."""

    requests: Mapping[tuple[Call, str], float]
    buckets: Mapping[Call, list[float]]
    seconds: Mapping[Call, float]
    refusals: Mapping[str, float]
    logins: Mapping[str, float]
    hashes: Mapping[str, float]


class Metrics:
    """`calls` are all that there are; `folder` is where to meet those who answer beside us."""

    def __init__(self, calls: Iterable[Call] = (), folder: Path | None = None) -> None:
        known = [*sorted(set(calls)), *((method, UNKNOWN) for method in METHODS)]
        self._block = {call: number * _BLOCK for number, call in enumerate(known)}
        end = len(known) * _BLOCK
        self._refusal = {str(code): end + number for number, code in enumerate(CATALOGUE)}
        end += len(CATALOGUE)
        self._login = {outcome: end + number for number, outcome in enumerate((SUCCESS, *self._refusal))}
        end += len(self._login)
        self._hash = {state: end + number for number, state in enumerate(HASHES)}
        self._row = SharedRow(end + len(HASHES), folder)
        self._cells = self._row.cells

    def answered(
        self, method: str, route: str | None, status: int | None, *, seconds: float, refusal: str | None
    ) -> None:
        """Count a request. Every request waits for this, so it is a handful of additions."""
        cells = self._cells
        block = self._block.get((method, route or UNKNOWN))
        if block is None:
            block = self._block[method if method in METHODS else OTHER, UNKNOWN]
        cells[block + _STATUS.get(status, _OTHER)] += 1
        cells[block + _BUCKETS + bisect_left(BOUNDS, seconds)] += 1
        cells[block + _SUM] += seconds
        if refusal is not None:
            cells[self._refusal[refusal]] += 1
        if route == LOGIN[1] and method == LOGIN[0]:
            cells[self._login[refusal or SUCCESS]] += 1

    def hashing(self, running: int, waiting: int) -> None:
        """How many passwords are being hashed at this moment, and how many are about to be."""
        for cell, jobs in zip(self._hash.values(), (running, waiting), strict=True):
            self._cells[cell] = jobs

    def counted(self) -> Counted:
        totals = self._row.totals()
        blocks = {call: totals[at : at + _BLOCK] for call, at in self._block.items()}
        blocks = {call: block for call, block in blocks.items() if any(block)}
        return Counted(
            requests={
                (call, str(status)): number
                for call, block in blocks.items()
                for status, number in zip(STATUSES, block, strict=False)
                if number
            },
            buckets={call: block[_BUCKETS:_SUM] for call, block in blocks.items()},
            seconds={call: block[_SUM] for call, block in blocks.items()},
            refusals={code: totals[at] for code, at in self._refusal.items()},
            logins={outcome: totals[at] for outcome, at in self._login.items() if totals[at] or outcome in USUAL},
            hashes={state: totals[at] for state, at in self._hash.items()},
        )
