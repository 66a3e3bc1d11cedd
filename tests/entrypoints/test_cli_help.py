"""Help with examples and shell completion; neither loads the service."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from adapters.tokens.pem_keys import Algorithm
from entrypoints.cli import latchkey
from entrypoints.cli.import_users.command import import_users
from entrypoints.cli.import_users.rows import COLUMNS
from entrypoints.cli.keys import ALGORITHMS
from entrypoints.cli.parameters import Command
from tests.support.service import ROOT


def commands(group: click.Group = latchkey, path: str = "latchkey") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize(("path", "command"), [*commands()], ids=lambda it: it if isinstance(it, str) else "")
def test_each_command_has_valid_examples(path: str, command: click.Command) -> None:
    assert isinstance(command, Command)
    assert command.examples
    with click.Context(command, info_name=path) as ctx:
        help_text = command.get_help(ctx)
    for example in command.examples:
        assert f"  {path} {example}".rstrip() in help_text.splitlines()
        command.make_context(path, shlex.split(example))


def test_help_lists_existing_commands() -> None:
    assert tuple(Algorithm) == ALGORITHMS
    assert f" {', '.join(COLUMNS)}." in " ".join((import_users.help or "").split())


def complete(line: str) -> list[str]:
    environ = {"_LATCHKEY_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints.cli"],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return [completion.removeprefix("plain,") for completion in done.stdout.split()]


def test_shells_complete_commands_options_and_choices() -> None:
    assert complete("latchkey s") == ["sessions"]
    assert complete("latchkey mail ") == ["list", "redrive"]
    assert complete("latchkey factors ") == ["enable", "list", "reset"]
    assert complete("latchkey enc") == ["encryption-keys"]
    assert "--password-hash" in complete("latchkey users create --")
    assert complete("latchkey users grant --role m") == ["member", "moderator"]


def test_help_does_not_load_the_service() -> None:
    """Loading the service takes a second."""
    script = (
        "import sys; from entrypoints.cli import latchkey; latchkey(['users', '--help'], standalone_mode=False);"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "entrypoints.cli.users" in loaded
    heavy = ("adapters", "asyncio", "cryptography", "entrypoints.settings", "msgspec", "redis", "sqlalchemy")
    assert not [name for name in heavy if name in loaded]
