"""The parts of the service in production, one process each: what `make api`, `make worker` and `make migrate` run."""

import argparse
import os
import sys

from entrypoints.commands.registry import Commands, Run
from entrypoints.setting_values import ROOT

PARTS = {
    "api": (("entrypoints.api",), "Serve HTTP, in as many processes as LATCHKEY_PROCESSES says."),
    "worker": (("entrypoints.worker",), "Deliver mail and purge expired rows."),
    "migrate": (("alembic", "upgrade", "head"), "Bring the database up to date."),
}


def _become(module: tuple[str, ...]) -> Run:
    def run(_: argparse.Namespace) -> int:
        os.environ.setdefault("LATCHKEY_ENV", "production")
        os.chdir(ROOT)
        sys.stdout.flush()
        # The same process id: whoever started us signals the part itself.
        os.execv(sys.executable, [sys.executable, "-m", *module])  # noqa: S606  (no shell, on purpose)

    return run


def register(commands: Commands) -> None:
    for name, (module, text) in PARTS.items():
        commands.add(name, _become(module), f"{text} For production: settings come from the environment alone.")
