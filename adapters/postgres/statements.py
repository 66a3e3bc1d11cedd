"""Compiles statements of SQLAlchemy Core to text for the driver."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, make_url

_DIALECT = make_url("postgresql+asyncpg://").get_dialect()()


class CompiledStatement:
    """The text of one statement, with the order of its parameters. Frequent statements are compiled at import."""

    __slots__ = ("_count", "_names", "_values", "text")

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self.text = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()
        self._count = len(set(self._names))
        required = {name for name, bind in compiled.binds.items() if bind.required}
        self._values = {name: compiled.params[name] for name in self._names if name not in required}

    def arguments(self, parameters: Mapping[str, object]) -> Sequence[object]:
        """The values in the order of the placeholders. Raises KeyError if one is missing or unknown."""
        values = {**self._values, **parameters}
        if len(values) > self._count:
            raise KeyError(*(values.keys() - self._names))
        return [values[name] for name in self._names]


Statement = CompiledStatement | ClauseElement


def compiled(statement: Statement) -> CompiledStatement:
    return statement if isinstance(statement, CompiledStatement) else CompiledStatement(statement)
