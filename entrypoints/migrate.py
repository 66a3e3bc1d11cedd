"""`latchkey migrate`: migrates the database to the schema of this version."""

from argparse import Namespace
from pathlib import Path

from alembic import command
from alembic.config import Config

import migrations


def main() -> None:
    """Exits with a message if the migration fails."""
    # Alembic's command line is not used, because it needs pyproject.toml, which a wheel does not contain.
    config = Config(cmd_opts=Namespace(cmd=(command.upgrade,), x=None))
    folder = Path(migrations.__path__[0])
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    command.upgrade(config, "head")


if __name__ == "__main__":
    main()
