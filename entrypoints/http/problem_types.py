"""The catalogue of problem types (RFC 9457, section 4): every code with its status, its title and its documentation.

The texts are in `problems.toml`. Backticks in `meaning`, `causes` and `advice` mark code.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """`meaning`, `causes` and `advice` are for developers of clients; `/problems/<code>` shows them."""

    status: int
    title: str
    meaning: str
    causes: list[str]
    advice: str


CATALOGUE: dict[str, ProblemType] = {
    code: ProblemType(**entry)
    for code, entry in tomllib.loads((Path(__file__).parent / "problems.toml").read_text(encoding="utf-8")).items()
}
