"""Environments to compare: argon2-cffi-bindings from its wheel and as `make native` compiles it, and a deployment."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.harness.machine import ROOT

_PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
_PIP += ["--require-hashes", "--no-deps"]


def deployment(folder: Path) -> str:
    """The interpreter of an environment with the packages of requirements.lock alone. dependency-injector loads
    pydantic if it is installed, which only tests need. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin/python")
    subprocess.run([python, *_PIP[1:], "-r", ROOT / "requirements.lock"], check=True)
    return python


def stock(folder: Path) -> Path:
    """A folder for PYTHONPATH. Raises CalledProcessError."""
    return _installed(folder / "stock", "--only-binary", "argon2-cffi-bindings")


def native(folder: Path) -> Path:
    """A folder for PYTHONPATH. Raises CalledProcessError, for example without a C compiler."""
    flags = ["--no-cache-dir", "--no-binary", "argon2-cffi-bindings"]
    return _installed(folder / "native", *flags, CFLAGS="-O3 -march=native")


def _installed(folder: Path, *flags: str, **environ: str) -> Path:
    locked = re.search(
        r"^argon2-cffi-bindings==(?:.*\\\n)+.*\n", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    assert locked is not None
    lock = folder.with_suffix(".lock")
    lock.write_text(locked[0])
    command = [*_PIP, *flags, "--target", str(folder), "-r", str(lock)]
    subprocess.run(command, env={**os.environ, **environ}, check=True, capture_output=True, text=True)
    return folder
