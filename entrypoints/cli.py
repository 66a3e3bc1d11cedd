"""One-shot commands for operators: `python -m entrypoints.cli --help`."""

import argparse
import logging
import sys

from domain.refusals import Refusal
from entrypoints.commands import clients, doctor, import_users, keys, mails, sessions, users
from entrypoints.commands.registry import Commands, advice
from entrypoints.schema import SchemaError
from entrypoints.settings import SettingsError

GROUPS = (users, import_users, sessions, clients, mails, keys, doctor)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m entrypoints.cli", description="Commands for operators.")
    commands = Commands(parser)
    for group in GROUPS:
        group.register(commands)
    asked = parser.parse_args()
    # What went wrong is said at the end, once; adapters tell it for the logs of those who go on.
    logging.getLogger("adapters").addHandler(logging.NullHandler())
    try:
        sys.exit(asked.run(asked))
    except SettingsError as error:
        sys.exit(f"{error}{advice(error)}")
    except SchemaError as error:
        sys.exit(str(error))
    except Refusal as refusal:
        sys.exit(f"{refusal.code}: {refusal.detail}")


if __name__ == "__main__":
    main()
