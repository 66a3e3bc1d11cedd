"""Reads settings from the environment and collects problems."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from entrypoints.settings.files import FILE, ROOT, in_root, set_names, text_of
from entrypoints.settings.service_links import is_service_link, without_service_links
from entrypoints.settings.setting import Setting

_LINKED = ("LATCHKEY_NAME", "LATCHKEY_PORT")


class SettingsError(Exception):
    """One line for each setting that is missing or invalid."""


class SettingsReader:
    """Values come from the environment and, in development, from `.env` and the engines of `make run`."""

    def __init__(self, environ: Mapping[str, str] | None, default_env: str) -> None:
        given = {name: value for name, value in (os.environ if environ is None else environ).items() if value}
        self.service_links = tuple(name for name in _LINKED if is_service_link(name, given.get(name, "")))
        self._values = without_service_links(given)
        self._problems: list[str] = []
        self._read: set[str] = set()
        self.env = self.value("ENV") or default_env
        if self.env == "development" and environ is None:
            own = set_names(self._values)
            beside = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value}
            self._values |= {name: value for name, value in beside.items() if name.removesuffix(FILE) not in own}
        self.data_dir = ROOT / (self.value("DATA_DIR") or ".data")

    def raise_problems(self) -> None:
        """Raises SettingsError if there are problems."""
        if self._problems:
            raise SettingsError("\n".join(self._problems))

    def report(self, name: str, problem: str) -> None:
        self._problems.append(f"LATCHKEY_{name}: {problem}")

    def is_set(self, name: str) -> bool:
        return f"LATCHKEY_{name}" in set_names(self._values)

    def value(self, name: str) -> str | None:
        variable = f"LATCHKEY_{name}"
        read_before = variable in self._read
        self._read.add(variable)
        try:
            return text_of(self._values, variable)
        except ValueError as error:
            if not read_before:
                self._problems.append(str(error))
            return None

    def file(self, name: str) -> Path | None:
        """The file that the value comes from; None if it comes from the environment or is not set."""
        path = self._values.get(f"LATCHKEY_{name}{FILE}")
        return None if path is None else in_root(path)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Unknown LATCHKEY_ names in the environment. Call it after all settings have been read."""
        known = self._read | {name + FILE for name in self._read}
        return tuple(sorted(name for name in self._values if name.startswith("LATCHKEY_") and name not in known))

    def read(self, setting: Setting) -> Any:
        """The value of a setting, or its default. Problems are collected for `raise_problems`."""
        before = len(self._problems)
        text = self.value(setting.name)
        default = setting.default_in(self.env)
        if text is None:
            value = default(self) if callable(default) else default
            if value is None and not setting.optional and len(self._problems) == before:
                self._problems.append(f"{setting.variable}: must be set{self._other_engines(setting.name)}")
            return value
        try:
            value = setting.parse(text)
            if setting.check and self.env == "production":
                setting.check(value)
        except ValueError as error:
            self._problems.append(f"{setting.variable}: {str(error).removeprefix(f'{setting.variable} ')}")
            return None
        return value

    def running(self, name: str) -> str | None:
        """The URL of an engine of `make run` while it runs; None if the settings name other engines."""
        return None if self._other_engines(name) else self._started().get(f"LATCHKEY_{name}")

    def _started(self) -> dict[str, str]:
        if self.env != "development":
            return {}
        try:
            started: dict[str, str] = json.loads((self.data_dir / "running.json").read_text())
        except (OSError, ValueError):
            return {}
        return started

    def _other_engines(self, name: str) -> str:
        """Why `name` does not come from `make run`: database and Redis must belong to one installation."""
        started = self._started()
        for engine in ("DATABASE_URL", "REDIS_URL"):
            engine_url = started.get(f"LATCHKEY_{engine}")
            with suppress(ValueError):  # reported for that setting
                own_url = text_of(self._values, f"LATCHKEY_{engine}")
                if name != engine and None not in {own_url, engine_url} and own_url != engine_url:
                    return f", since LATCHKEY_{engine} is not that of `make run`"
        return ""


def running(name: str) -> Callable[[SettingsReader], str | None]:
    """The default of an engine's URL: that of `make run`."""
    return lambda reader: reader.running(name)
