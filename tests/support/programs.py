"""Programs, packages and rights that a machine may lack."""

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str, remedy: str) -> NoReturn:
    """Fail in CI, which must run every test. Elsewhere skip the test, and say in the summary what it needs."""
    report = pytest.fail if os.environ.get("CI") else pytest.skip
    report(f"{what} is missing: {remedy}")


def program(name: str, package: str = "") -> str:
    """The path of a program, also of one outside the PATH of normal users."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return path or lacking(name, f"apt-get install {package or name}")
