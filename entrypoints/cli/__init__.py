"""Commands for operators: `python -m entrypoints.cli --help`.

Each module has a group of commands, and imports only click and the domain. A command imports settings, adapters and
the container when it runs, so that `--help` and shell completion stay quick.
"""

import os
import sys

import click

from entrypoints.cli import clients, encryption_keys, factors, keys, mail, processes, sessions, users
from entrypoints.cli.doctor import command as doctor
from entrypoints.cli.parameters import WrongInput
from entrypoints.release import release

RENAMED = {
    "create-user": "`users create`",
    "grant": "`users grant`",
    "import-users": "`users import`",
    "mails": "`mail list` and `mail redrive`",
}
"""Commands of 0.2 and their names now."""

COMPLETION = "_LATCHKEY_COMPLETE"


class Program(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in RENAMED:
            raise WrongInput(f"`{args[0]}` is now {RENAMED[args[0]]}.")
        return super().resolve_command(ctx, args)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(release(), message="latchkey %(version)s")
def latchkey() -> None:
    """Commands for operators."""


GROUPS = (
    *(users.users, sessions.sessions, factors.factors, clients.clients, mail.mail, keys.keys),
    encryption_keys.encryption_keys,
)
for command in (*GROUPS, doctor.doctor, *processes.commands):
    latchkey.add_command(command)


def main() -> None:
    # Shell completion needs an installed command, which `python -m entrypoints.cli` is not.
    prog_name = "latchkey" if COMPLETION in os.environ else None
    try:
        status = latchkey.main(prog_name=prog_name, complete_var=COMPLETION, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:
        status = 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader has closed the pipe, as `head` does
            click.echo(f"standard output: {error.strerror}", err=True)
        if sys.stdout is not None:  # Python flushes again when it exits
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status or 0)
