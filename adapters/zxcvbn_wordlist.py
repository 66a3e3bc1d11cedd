"""A list of common passwords: the 30,000 that the zxcvbn package ranks, of which nothing else is used here."""

from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path


class ZxcvbnWordlist:
    """Reads the list when it is made (some 20 ms, 3 MB), so that no request waits for it."""

    def __init__(self) -> None:
        # Copied from a set, its table has half the size: a megabyte.
        self._words = frozenset(set(_passwords()))

    def __call__(self, word: str) -> bool:
        return word in self._words

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)


def _passwords() -> list[str]:
    package = find_spec("zxcvbn")
    if package is None or package.origin is None:
        raise ImportError("zxcvbn is not installed")
    # Importing the package would rank and keep its five other lists too: three times the memory and the time.
    # So its data file is run alone, under no name, and forgotten.
    spec = spec_from_file_location("_lists", Path(package.origin).with_name("frequency_lists.py"))
    if spec is None or spec.loader is None:
        raise ImportError("zxcvbn has no frequency lists")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    passwords: list[str] = module.FREQUENCY_LISTS["passwords"]
    return passwords
