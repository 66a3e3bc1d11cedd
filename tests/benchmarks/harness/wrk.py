"""Runs wrk and parses its output."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 3
"""Seconds of a round."""

_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_P99 = re.compile(r"^\s+99%\s+([\d.]+)(us|ms|s|m)", re.MULTILINE)
_BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_REQUEST = """
function request()
    turn = turn % #said + 1
    wrk.headers[name] = said[turn]
    return wrk.format()
end
"""


class BadResponses(Exception):
    """Some responses were not 200, so the measurement is void."""


@dataclass(frozen=True, slots=True)
class Load:
    rate: float
    """Requests a second."""
    p99: float
    """Milliseconds; infinite without responses."""


def token_script(tokens: Sequence[str], folder: Path) -> Path:
    """A script for wrk that uses the tokens in turn. It can be passed in place of a token."""
    return _script("Authorization", [f"Bearer {token}" for token in tokens], folder / "tokens.lua")


def cookie_script(cookies: Sequence[str], folder: Path) -> Path:
    """The same with cookies."""
    return _script("Cookie", cookies, folder / "cookies.lua")


def _script(name: str, values: Sequence[str], script: Path) -> Path:
    in_lua = ", ".join(f'"{value}"' for value in values)
    script.write_text(f'local name, said, turn = "{name}", {{{in_lua}}}, 0\n{_REQUEST}')
    return script


def wrk(url: str, token: str | Path = "", *, connections: int = 16, seconds: float = SECONDS) -> Load:
    """Repeat one request. Raises NotAllWell."""
    return finished(started(url, token, connections=connections, seconds=seconds))


def started(
    url: str, token: str | Path = "", *, connections: int = 16, seconds: float = SECONDS
) -> subprocess.Popen[str]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "--timeout", "30s", url]
    if isinstance(token, Path):
        command += ["-s", str(token)]
    elif token:
        command += ["-H", f"Authorization: Bearer {token}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(process: subprocess.Popen[str]) -> Load:
    """Raises NotAllWell."""
    output, _ = process.communicate()
    rate, p99, bad = _RATE.search(output), _P99.search(output), _BAD.search(output)
    if process.returncode or bad or rate is None or p99 is None:
        raise BadResponses(output)
    milliseconds = float(p99[1]) * _MILLISECONDS[p99[2]]
    return Load(float(rate[1]), milliseconds if float(rate[1]) else float("inf"))
