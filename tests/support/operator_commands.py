"""Runs the command line in forks of a process that has imported it, because starting Python takes a second."""

import importlib
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

ROOT = Path(__file__).resolve().parents[2]
_turn = Lock()
_STREAMS = ("stdin", "stdout", "stderr")


def run_command(
    environ: Mapping[str, str], *arguments: str, stdin: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Run `python -m entrypoints.cli` as a process with this environment and this input."""
    with TemporaryDirectory() as folder, _turn:
        paths = [Path(folder, name) for name in _STREAMS]
        for path in paths:
            path.write_bytes(stdin if path.name == "stdin" else b"")
        _, server = _server()
        server.send((dict(environ), [os.fsencode(text) for text in arguments], [str(path) for path in paths]))
        assert server.poll(60), f"{arguments} did not end"
        status: int = server.recv()
        _, stdout, stderr = (path.read_bytes() for path in paths)
    return subprocess.CompletedProcess(arguments, status, stdout, stderr)


@cache
def _server() -> "tuple[subprocess.Popen[bytes], Connection]":
    """The process ends with this one, because its connection is closed then."""
    ours, theirs = Pipe()
    command = [sys.executable, "-m", "tests.support.operator_commands", str(theirs.fileno())]
    started = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    return started, ours


def _serve(commands: Connection) -> list[str]:
    """Fork for each command, and return its arguments in the fork."""
    while True:
        try:
            environ, arguments, paths = commands.recv()
        except EOFError:
            os._exit(0)
        if (fork := os.fork()) == 0:
            commands.close()
            for number, path in enumerate(paths):
                os.dup2(os.open(path, os.O_RDWR), number)
            os.environ.clear()
            os.environ.update(environ)
            return [os.fsdecode(argument) for argument in arguments]
        commands.send(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]))


if __name__ == "__main__":
    importlib.import_module("entrypoints.cli.context")
    sys.argv[1:] = _serve(Connection(int(sys.argv[1])))
    runpy.run_module("entrypoints.cli", run_name="__main__", alter_sys=True)
