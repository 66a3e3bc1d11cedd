"""The parts of the service in production, one process each: what `make api`, `make worker` and `make migrate` run."""

import os
import sys

import click

from entrypoints.cli.parameters import Command
from entrypoints.release import is_installed


def _part(name: str, module: str, *, text: str) -> click.Command:
    def run() -> None:
        from entrypoints.settings.files import set_names

        if "LATCHKEY_ENV" not in set_names(os.environ):
            os.environ["LATCHKEY_ENV"] = "production"
        # The package names are generic: an installed command does not import from the current folder.
        path = ["-P"] if is_installed() else []
        # The same process id: the parent signals the part itself.
        os.execv(sys.executable, [sys.executable, *path, "-m", module])

    text += " For production: settings come only from the environment."
    return Command(name, callback=run, help=text, examples=[""])


commands = (
    _part("api", "entrypoints.api", text="Start the API, in LATCHKEY_PROCESSES processes."),
    _part("worker", "entrypoints.worker", text="Start a worker, which delivers mail and purges expired rows."),
    _part("migrate", "entrypoints.migrate", text="Migrate the database to the schema of this version."),
)
