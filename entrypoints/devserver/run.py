"""`make run`: engines, migrations, API, worker and a mailbox on one machine, until Ctrl-C.

Uses the engines that the environment or `.env` names (LATCHKEY_DATABASE_URL, LATCHKEY_REDIS_URL, LATCHKEY_SMTP_URL).
Starts the others, with their data in LATCHKEY_DATA_DIR.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

from dotenv import dotenv_values

from entrypoints.devserver.engine import EngineFailed
from entrypoints.devserver.lock import AlreadyLocked, Lock
from entrypoints.devserver.privileges import MissingPrivileges
from entrypoints.devserver.stack import SMTP, DevStack, ProcessFailed, StopRequested
from entrypoints.listening import LOOPBACK_HOSTS, cannot_listen, listen_host, listens_everywhere, reachable_at
from entrypoints.settings.files import ROOT, with_files
from entrypoints.settings.service_links import without_service_links

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopFlag:
    """Set when a stop is requested. A flag, because a signal may arrive at any moment."""

    def __init__(self) -> None:
        self.is_set = False
        for number in SIGNALS:
            signal.signal(number, self._set)

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


def environment() -> dict[str, str]:
    """The settings of environment and `.env`; the environment wins. Empty values count as not set. Raises
    ValueError."""
    beside = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value}
    values = with_files(beside) | with_files(without_service_links(os.environ))
    data = ROOT / values.get("LATCHKEY_DATA_DIR", ".data")
    defaults = {"LATCHKEY_ENV": "development", "LATCHKEY_HOST": "127.0.0.1", "LATCHKEY_PORT": "8000"}
    return defaults | values | {"LATCHKEY_DATA_DIR": str(data)}


def run(stop: StopFlag) -> int:
    try:
        environ = environment()
    except ValueError as error:
        return fail(str(error))
    number = environ["LATCHKEY_PORT"]
    try:
        host = environ["LATCHKEY_HOST"] = listen_host(environ["LATCHKEY_HOST"])
    except ValueError as error:
        return fail(f"LATCHKEY_HOST: {error}")
    if not number.isdecimal():
        return fail(f"LATCHKEY_PORT: must be a number, not {number}")
    data = ROOT / environ["LATCHKEY_DATA_DIR"]
    try:
        claim = Lock(data)
    except AlreadyLocked:
        return fail(
            f"LATCHKEY_DATA_DIR: another `make run` is using {data}."
            " Stop it, or set LATCHKEY_DATA_DIR to another folder."
        )
    except OSError as error:
        return fail(f"LATCHKEY_DATA_DIR: {error}")
    if why := cannot_listen(host, int(number)):
        return fail(why)
    stack = DevStack(data, environ, lambda: stop.is_set, report=info)
    try:
        stack.open()
        stack.wait_until_ready(reachable_at(host), int(number))
        stack.new_output()
        print_banner(environ, mailbox=SMTP not in environ)
        while True:
            stack.check()
            for line in stack.new_output():
                info(line)
            time.sleep(0.2)
    except StopRequested:
        return 0
    except (ProcessFailed, EngineFailed, MissingPrivileges, AlreadyLocked, OSError) as error:
        # The signal that stops this process may have stopped a part as well.
        return 0 if stop.is_set else fail(str(error))
    finally:
        info("Stopping.")
        stack.close()
        claim.release()


def print_banner(environ: dict[str, str], *, mailbox: bool) -> None:
    host = reachable_at(environ["LATCHKEY_HOST"])
    host = "localhost" if host == "127.0.0.1" else host  # passkeys need a domain
    url = f"http://{f'[{host}]' if ':' in host else host}:{environ['LATCHKEY_PORT']}"
    info("")
    info(f"  Latchkey   {url}")
    info(f"  API        {url}/docs")
    if mailbox:
        info(f"  Mailbox    {url}/dev/mail")
    info(f"  Data       {environ['LATCHKEY_DATA_DIR']}")
    info("  Stop       Ctrl-C")
    if host not in LOOPBACK_HOSTS or listens_everywhere(environ["LATCHKEY_HOST"]):
        info("")
        info(WARNING.format(host=environ["LATCHKEY_HOST"]))
    info("")
    info(f"  Sign in    {url}/sign-in")


WARNING = """\
  Warning    LATCHKEY_HOST={host}: anyone in your network can use this development service.
             Its pages and its mailbox answer by names of this machine only; add others to LATCHKEY_ALLOWED_HOSTS."""


def info(line: str) -> None:
    # The output may be closed. Everything must be stopped all the same.
    with suppress(OSError):
        print(line, flush=True)


def fail(line: str) -> int:
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
    return 1
