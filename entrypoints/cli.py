"""Commands for operators: `python -m entrypoints.cli --help`."""

import argparse
import logging
import os
import sys

from domain.refusals import Refusal
from entrypoints.commands import clients, doctor, keys, mail, processes, sessions, users
from entrypoints.commands.output import print_note
from entrypoints.commands.registry import Commands, advice
from entrypoints.release import release
from entrypoints.schema import SchemaError
from entrypoints.settings import SettingsError

GROUPS = (users, sessions, clients, mail, keys, doctor, processes)
RENAMED = {
    "create-user": "`users create`",
    "grant": "`users grant`",
    "import-users": "`users import`",
    "mails": "`mail list` and `mail redrive`",
}
"""Commands of 0.2, and what they are called now."""


def main() -> None:
    named = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if named in RENAMED:
        print_note(f"`{named}` is now {RENAMED[named]}.")
        sys.exit(2)
    parser = argparse.ArgumentParser(
        prog="python -m entrypoints.cli", description="Commands for operators.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"latchkey {release()}")
    commands = Commands(parser)
    for group in GROUPS:
        group.register(commands)
    asked = parser.parse_args()
    # What went wrong is said at the end, once; adapters tell it for the logs of those who go on.
    logging.getLogger("adapters").addHandler(logging.NullHandler())
    try:
        status = asked.run(asked)
        sys.stdout.flush()
    except SettingsError as error:
        sys.exit(f"{error}{advice(error)}")
    except SchemaError as error:
        sys.exit(str(error))
    except Refusal as refusal:
        sys.exit(f"{refusal.code}: {refusal.detail}")
    except BrokenPipeError:
        # The reader has seen enough, as `head` has. Python flushes once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status)


if __name__ == "__main__":
    main()
