"""What a machine may lack."""

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str, package: str) -> NoReturn:
    """Fails in CI, which installs everything. Elsewhere the test is skipped, and the reason names the package."""
    report = pytest.fail if os.environ.get("CI") else pytest.skip
    report(f"{what} is missing: apt-get install {package}")


def program(name: str, package: str = "") -> str:
    """The path of a program, which may be one for administrators alone."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return path or lacking(name, package or name)
