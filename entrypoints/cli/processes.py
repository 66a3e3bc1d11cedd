"""Commands that run the parts of the service: `api`, `worker` and `migrate`."""

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
        # An installed command must not import packages of the same generic names from the current folder.
        path = ["-P"] if is_installed() else []
        # Keeps the process id, so that signals reach the part itself.
        os.execv(sys.executable, [sys.executable, *path, "-m", module])

    text += " For production: settings come only from the environment."
    return Command(name, callback=run, help=text, examples=[""])


commands = (
    _part("api", "entrypoints.api", text="Start the API, in LATCHKEY_PROCESSES processes."),
    _part("worker", "entrypoints.worker", text="Start a worker, which delivers mail and purges expired rows."),
    _part("migrate", "entrypoints.migrate", text="Migrate the database to the schema of this version."),
)
