"""The language that a client prefers (RFC 9110 section 12.5.4)."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

_LENGTH = 1000
_RANGES = 32
"""Browsers send up to ten."""
_RANGE = re.compile(
    r"[ \t]*([a-z]{1,8}(?:-[a-z0-9]{1,8}){0,8}|\*)[ \t]*(?:;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)


def negotiate(accept_language: str, available: Sequence[str]) -> str:
    """One of `available`, whose first one is the default. Ignores what is malformed."""
    return _negotiate(accept_language[:_LENGTH], tuple(available))


@lru_cache(maxsize=256)
def _negotiate(accept_language: str, available: tuple[str, ...]) -> str:
    """Most browsers send one of a few values."""
    ranges = list(_ranges(accept_language))
    weights = {language: _weight(language.lower(), ranges) for language in available}
    best = max(available, key=weights.__getitem__)
    return best if weights[best] > (0.0, 0) else available[0]


def _ranges(text: str) -> Iterator[tuple[str, float]]:
    """The language ranges in lower case with their qualities, in their order."""
    for part in text.lower().split(",", _RANGES)[:_RANGES]:
        if match := _RANGE.fullmatch(part):
            yield match[1], float(match[2] or 1)


def _weight(language: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """The quality and, negative, the position of the range that prefers this language most. `de-AT` also stands for
    `de`, and `pt` for `pt-BR` (RFC 4647 section 3.4); `*` stands for languages without a range of their own."""
    if (language, 0.0) in ranges:
        return 0.0, 0
    weights = [(quality, -index, tag) for index, (tag, quality) in enumerate(ranges)]
    own = [(quality, index) for quality, index, tag in weights if _related(tag, language)]
    return max(own or [(quality, index) for quality, index, tag in weights if tag == "*"], default=(0.0, 0))


def _related(tag: str, language: str) -> bool:
    return tag == language or tag.startswith(f"{language}-") or language.startswith(f"{tag}-")
