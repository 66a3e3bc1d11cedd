"""The parts of the service in production, one process each: what `make api`, `make worker` and `make migrate` run."""

import argparse
import os
import sys

from entrypoints.commands.registry import Commands, Run
from entrypoints.setting_values import ROOT

PARTS = {
    "api": (("entrypoints.api",), "Start the API, in LATCHKEY_PROCESSES processes."),
    "worker": (("entrypoints.worker",), "Start a worker, which delivers mail and purges expired rows."),
    "migrate": (("alembic", "upgrade", "head"), "Migrate the database to the schema of this version."),
}


def _become(module: tuple[str, ...]) -> Run:
    def run(_: argparse.Namespace) -> int:
        os.environ.setdefault("LATCHKEY_ENV", "production")
        os.chdir(ROOT)
        sys.stdout.flush()
        # The same process id: the parent signals the part itself.
        os.execv(sys.executable, [sys.executable, "-m", *module])  # noqa: S606  (no shell, on purpose)

    return run


def register(commands: Commands) -> None:
    for name, (module, text) in PARTS.items():
        commands.add(name, _become(module), f"{text} For production: settings come only from the environment.")
