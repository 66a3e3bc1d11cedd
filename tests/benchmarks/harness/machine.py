"""The machine and versions of a measurement."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REFERENCES = ROOT / ".venv-bench" / "bin" / "python"
"""The interpreter of the reference applications, which `make bench` installs."""
CORES = os.cpu_count() or 1
NO_WRK = "wrk is not installed (Debian: apt install wrk)"
NO_REFERENCES = "no .venv-bench, which `make bench` makes"

_OWN_PACKAGES = (
    "litestar",
    "uvicorn",
    "uvloop",
    "httptools",
    "asyncpg",
    "sqlalchemy",
    "redis",
    "argon2-cffi-bindings",
)
_REFERENCE_PACKAGES = (
    "import importlib.metadata as m; print(*(f'{p} {m.version(p)}' for p in ('fastapi-users', 'fastapi')), sep=', ')"
)


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def code_version() -> str:
    """The commit that is measured, with `-dirty` if there are uncommitted changes."""
    return _output_of(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])


def describe_machine() -> str:
    """Cores, interpreter and versions, in a few lines."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    lines = [
        f"{CORES} cores, {memory:.0f} GiB, {_processor()}, {platform.system()} {platform.release()}; load {load}",
        f"{code_version()}; Python {platform.python_version()} ({platform.python_compiler()})",
        ", ".join(f"{name} {version(name)}" for name in _OWN_PACKAGES),
        _reference_versions(),
        NO_WRK if not has_wrk() else f"load by {_output_of(['wrk', '-v']).split(' Copyright')[0]}, on the same cores",
    ]
    return "\n".join(lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _reference_versions() -> str:
    return _output_of([str(REFERENCES), "-c", _REFERENCE_PACKAGES]) if REFERENCES.exists() else NO_REFERENCES


def _output_of(command: list[str]) -> str:
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter((process.stdout or process.stderr).splitlines()), "")
