"""Shared by all groups of commands: examples, types of parameters, and the container."""

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click
from typing_extensions import override

from domain.role import Role

if TYPE_CHECKING:
    from entrypoints.container import Container

P = ParamSpec("P")
T = TypeVar("T")


class Failure(click.ClickException):
    """Ends the command with exit status 1. Its text is printed to standard error without a traceback."""

    def show(self, file: Any = None) -> None:
        click.echo(self.message, file=file, err=file is None)


class WrongInput(Failure):
    """The input is invalid, whatever the state of the service: exit status 2."""

    exit_code = 2


class Command(click.Command):
    """`examples` are arguments of this command, shown at the end of its help."""

    def __init__(self, *args: Any, examples: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{ctx.command_path} {example}".rstrip() + "\n")


class Text(click.ParamType[str]):
    """A name. Strips white space, and the byte order mark of a file that it was copied from."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if any("\ud800" <= char <= "\udfff" for char in value):
            self.fail("is not valid UTF-8", param, ctx)
        return value.removeprefix("\ufeff").strip()


class OneOf(click.Choice[Any]):
    """A choice by the values of an enumeration, or of plain texts."""

    @override
    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:
        return str(choice)

    @override
    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"must be one of {', '.join(map(str, self.choices))}"


TEXT = Text()
ROLE = OneOf(Role)
LIMIT = click.IntRange(1, 10_000)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def with_container(command: "Callable[Concatenate[Container, P], Awaitable[T]]") -> Callable[P, T]:
    """Run a coroutine function with the container. Raises Failure for problems with settings or schema, and for
    refusals."""

    @functools.wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> T:
        from entrypoints.cli.context import run_with_container

        return run_with_container(lambda container: command(container, *args, **options))

    return run
