"""The version of the running code."""

import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def is_installed() -> bool:
    """Whether this code comes from a wheel, and not from a checkout."""
    return not _PROJECT.exists()


@cache
def release() -> str:
    if is_installed():
        return version("latchkey")
    project: dict[str, str] = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    return project["version"]
