"""A finding in one line: the state and, if something is wrong, what to do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    state: State
    part: str
    text: str

    @classmethod
    def ok(cls, part: str, text: str) -> Self:
        return cls(State.OK, part, text)

    @classmethod
    def warning(cls, part: str, text: str) -> Self:
        return cls(State.WARNING, part, text)

    @classmethod
    def error(cls, part: str, text: str) -> Self:
        return cls(State.ERROR, part, text)

    def __str__(self) -> str:
        """Joins the lines of a server's message."""
        text = "".join(letter if letter.isprintable() else " " for letter in self.text)
        return f"{self.state:<8} {self.part:<11} {text}"
