"""Progress of an import on standard error: a bar at a terminal, otherwise a line now and then."""

import os
import sys
import time
from typing import Any, Self

import click

_LINE_EVERY = 10.0
"""Seconds."""


class Progress:
    """`size` is the final value of `position`, in any unit."""

    def __init__(self, size: int) -> None:
        self._terminal = sys.stderr.isatty()
        self._bar = click.progressbar(
            range(max(size, 1)),
            file=sys.stderr,
            hidden=not self._terminal,
            bar_template="[%(bar)s] %(info)s",
            width=30,
            empty_char=" ",
            show_eta=False,
            item_show_func=self._rate,
        )
        self._rows = 0
        self._began = self._line_at = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def update(self, position: int, rows: int) -> None:
        self._rows = rows
        self._bar.update(position - self._bar.pos)
        self._bar.render_progress()
        if time.monotonic() - self._line_at > _LINE_EVERY:
            self._print_line()

    def finish(self) -> None:
        self._bar.finish()
        self._bar.render_progress()
        self._print_line()

    def clear(self) -> None:
        """Clear the bar, so that another line can be printed."""
        if self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

    def show_cursor(self) -> None:
        """Restore the terminal. Safe in a signal handler."""
        if self._terminal:
            os.write(sys.stderr.fileno(), b"\x1b[?25h")

    def _print_line(self) -> None:
        if not self._terminal:
            self._line_at = time.monotonic()
            click.echo(f"{self._bar.format_pct()}  {self._rate(None)}", err=True)

    def _rate(self, _: object) -> str:
        seconds = max(time.monotonic() - self._began, 0.001)
        return f"{self._rows:,} rows, {self._rows / seconds:,.0f} a second"
