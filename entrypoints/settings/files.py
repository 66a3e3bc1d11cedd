"""Settings from files: LATCHKEY_<NAME>_FILE names a file with the value, as Docker and Kubernetes provide secrets."""

from collections.abc import Mapping
from pathlib import Path

FILE = "_FILE"
ROOT = Path(__file__).resolve().parents[2]


def in_root(text: str) -> Path:
    """The absolute path of a setting, which may be relative to the program's folder."""
    return ROOT / text


def set_names(environ: Mapping[str, str]) -> set[str]:
    """Names of the settings that have a value or a file."""
    return {name.removesuffix(FILE) for name, value in environ.items() if value and name.startswith("LATCHKEY_")}


def with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the contents of files in place of names. Raises ValueError, a line for each problem."""
    values = {name: value for name, value in environ.items() if value}
    problems = []
    for name in [name for name in values if name.startswith("LATCHKEY_") and name.endswith(FILE)]:
        setting = name.removesuffix(FILE)
        try:
            text = text_of(values, setting)
        except ValueError as error:
            problems.append(str(error))
        else:
            del values[name]
            values[setting] = text or ""
    if problems:
        raise ValueError("\n".join(problems))
    return values


def text_of(environ: Mapping[str, str], setting: str) -> str | None:
    """The value of a setting, without the newline at the end of its file; None if it is not set.

    Raises ValueError, which names the setting and never quotes its value.
    """
    text, path = environ.get(setting), environ.get(setting + FILE)
    if path is None:
        return text
    if text is not None:
        raise ValueError(f"{setting}: is set, and {setting}{FILE} as well: set one of them")
    file = ROOT / path
    try:
        text = file.read_bytes().decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise ValueError(f"{setting}{FILE}: {file} cannot be read ({error.strerror})") from None
    except ValueError:
        raise ValueError(f"{setting}{FILE}: {file} is not UTF-8 text") from None
    if not text:
        raise ValueError(f"{setting}{FILE}: {file} is empty")
    return text
