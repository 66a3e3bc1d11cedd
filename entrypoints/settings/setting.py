"""One setting: name, parser, default and help."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

AS_IN_PRODUCTION: Any = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. `name` comes without the prefix LATCHKEY_.

    The default is a value or a function of the reader. Without a default the setting is required unless it is
    `optional`.
    """

    name: str
    help: str
    parse: Callable[[str], Any] = field(kw_only=True)
    """Parses the text. Raises ValueError, which says what is valid and never quotes a secret."""
    check: Callable[[Any], None] | None = field(default=None, kw_only=True)
    """An additional check in production. Raises ValueError."""
    default: Any = field(default=None, kw_only=True)
    development: Any = field(default=AS_IN_PRODUCTION, kw_only=True)
    """The default in development."""
    optional: bool = field(default=False, kw_only=True)
    shown: str = field(default="", kw_only=True)
    """How the documentation shows a computed default."""

    @property
    def variable(self) -> str:
        return f"LATCHKEY_{self.name}"

    def default_in(self, env: str) -> Any:
        own = env == "development" and self.development is not AS_IN_PRODUCTION
        return self.development if own else self.default

    @property
    def row(self) -> str:
        """The row of the table in docs/operations.md."""
        return " ".join(f"| `{self.variable}` | {self.shown or self._shown()} | {self.help} |".split())

    def _shown(self) -> str:
        if self.development is AS_IN_PRODUCTION:
            return _text(self.default)
        return f"{_text(self.default)} ({_text(self.development)} in development)"


def setting(*args: Any, **options: Any) -> Any:
    """A field of the settings object, with its row."""
    return field(metadata={"row": Setting(*args, **options)})


def _text(default: Any) -> str:
    match default:
        case None:
            return ""
        case ():
            return "none"
        case True:
            return "on"
        case timedelta():
            return f"{default.total_seconds():.0f}"
        case _:
            return f"`{default}`" if isinstance(default, str) else str(default)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return parse


def seconds(least: int = 1, most: timedelta = timedelta(days=366)) -> Callable[[str], timedelta]:
    parse = whole_number(least, int(most.total_seconds()))
    return lambda text: timedelta(seconds=parse(text))


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
