"""Reads a password from a prompt that does not show it, or from a pipe."""

import getpass
import sys

from entrypoints.cli.parameters import Failure

_LONGEST_LINE = 65_536


def read_password() -> str:
    """Raises Failure."""
    try:
        return _from_prompt() if sys.stdin is not None and sys.stdin.isatty() else _from_pipe()
    except UnicodeDecodeError:
        raise Failure("The password is not valid UTF-8.") from None


def _from_prompt() -> str:
    try:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Failure("The two passwords do not match.")
    except EOFError:
        raise Failure("No password was entered.") from None
    return password


def _from_pipe() -> str:
    """The text of a line, without its line end and a byte order mark."""
    line = b"" if sys.stdin is None else sys.stdin.buffer.readline(_LONGEST_LINE)
    text = line.decode("utf-8").removeprefix("\ufeff")
    password = text.removesuffix("\n").removesuffix("\r") if text.endswith("\r\n") else text.removesuffix("\n")
    if not password:
        raise Failure("No password was given on standard input.")
    return password
