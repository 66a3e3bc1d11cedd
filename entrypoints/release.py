"""The version of the running code."""

import tomllib
from functools import cache
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


@cache
def release() -> str:
    project: dict[str, str] = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    return project["version"]
