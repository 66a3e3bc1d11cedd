"""Programs and packages that a machine may lack."""

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str, package: str) -> NoReturn:
    """Fail in CI, which installs everything; elsewhere skip the test, with the package as the reason."""
    report = pytest.fail if os.environ.get("CI") else pytest.skip
    report(f"{what} is missing: apt-get install {package}")


def impossible(reason: str) -> NoReturn:
    """Skip the test, in CI as well: nothing that could be installed would help."""
    pytest.skip(reason)


def program(name: str, package: str = "") -> str:
    """The path of a program, also of one outside the PATH of normal users."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return path or lacking(name, package or name)
