"""Everything on one machine, for a newcomer: engines, migrations, API, worker and a mailbox, until Ctrl-C.

What the environment or `.env` names (LATCHKEY_DATABASE_URL, LATCHKEY_REDIS_URL, LATCHKEY_SMTP_URL) is used;
what they do not name is started here, and keeps its data in LATCHKEY_DATA_DIR.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

from dotenv import dotenv_values

from entrypoints.listening import cannot_listen, listen_host, listens_everywhere, reachable_at
from entrypoints.local.claim import Claim, Taken
from entrypoints.local.engine import EngineFailed
from entrypoints.local.house import ROOT, SMTP, House, Leaving, PartFailed
from entrypoints.local.rights import NoRights
from entrypoints.service_links import without_service_links
from entrypoints.setting_files import with_files

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Bell:
    """Set when a stop is requested. A flag, because a signal may arrive at any moment."""

    def __init__(self) -> None:
        self.rung = False
        for number in SIGNALS:
            signal.signal(number, self._ring)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        self.rung = True


def environment() -> dict[str, str]:
    """What is set to nothing is not set. The environment wins over `.env`. Raises ValueError."""
    beside = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value}
    values = with_files(beside) | with_files(without_service_links(os.environ))
    data = ROOT / values.get("LATCHKEY_DATA_DIR", ".data")
    defaults = {"LATCHKEY_ENV": "development", "LATCHKEY_HOST": "127.0.0.1", "LATCHKEY_PORT": "8000"}
    return defaults | values | {"LATCHKEY_DATA_DIR": str(data)}


def run(bell: Bell) -> int:
    try:
        environ = environment()
    except ValueError as error:
        return sorry(str(error))
    number = environ["LATCHKEY_PORT"]
    try:
        host = environ["LATCHKEY_HOST"] = listen_host(environ["LATCHKEY_HOST"])
    except ValueError as error:
        return sorry(f"LATCHKEY_HOST: {error}")
    if not number.isdecimal():
        return sorry(f"LATCHKEY_PORT: must be a number, not {number}")
    data = ROOT / environ["LATCHKEY_DATA_DIR"]
    try:
        claim = Claim(data)
    except Taken:
        return sorry(
            f"LATCHKEY_DATA_DIR: another `make run` is using {data}."
            " Stop it, or set LATCHKEY_DATA_DIR to another folder."
        )
    except OSError as error:
        return sorry(f"LATCHKEY_DATA_DIR: {error}")
    if why := cannot_listen(host, int(number)):
        return sorry(why)
    house = House(data, environ, lambda: bell.rung, report=say)
    try:
        house.open()
        house.wait_until_ready(reachable_at(host), int(number))
        house.news()
        welcome(environ, mailbox=SMTP not in environ)
        while True:
            house.check()
            for line in house.news():
                say(line)
            time.sleep(0.2)
    except Leaving:
        return 0
    except (PartFailed, EngineFailed, NoRights, Taken, OSError) as error:
        # The signal that stops us may have stopped a part as well.
        return 0 if bell.rung else sorry(str(error))
    finally:
        say("Stopping.")
        house.close()
        claim.release()


def welcome(environ: dict[str, str], *, mailbox: bool) -> None:
    host = reachable_at(environ["LATCHKEY_HOST"])
    url = f"http://{f'[{host}]' if ':' in host else host}:{environ['LATCHKEY_PORT']}"
    say("")
    say(f"  Latchkey   {url}")
    say(f"  API        {url}/docs")
    if mailbox:
        say(f"  Mailbox    {url}/dev/mail")
    say(f"  Data       {environ['LATCHKEY_DATA_DIR']}")
    if host not in LOOPBACK or listens_everywhere(environ["LATCHKEY_HOST"]):
        say("")
        say(WARNING.format(host=environ["LATCHKEY_HOST"]))
    say("")
    say("  Try        " + TRY.format(url=url))
    say("  Stop       Ctrl-C")
    say("")


WARNING = """\
  Warning    LATCHKEY_HOST={host}: anyone in your network can use this development service.
             Its pages and its mailbox answer by names of this machine only; add others to LATCHKEY_ALLOWED_HOSTS."""
TRY = """\
curl -i {url}/v1/register -H 'Content-Type: application/json' \\
               -d '{{"email": "grace@example.org", "password": "a long walk to the lighthouse"}}'"""


def say(line: str) -> None:
    # The output may be closed, and everything must be stopped all the same.
    with suppress(OSError):
        print(line, flush=True)


def sorry(line: str) -> int:
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(run(Bell()))
