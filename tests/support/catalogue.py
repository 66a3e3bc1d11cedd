"""What the sources mark for translation."""

import warnings
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir

from entrypoints.http.problem_types import CATALOGUE

_ROOT = Path(__file__).resolve().parents[2]
_KEYWORDS = {**DEFAULT_KEYWORDS, "translatable": None}
_REFUSALS = {**_KEYWORDS, "Refusal": (2,)}
"""Refusals of use cases are shown by pages; those of the API are for developers."""
_SOURCES = [
    ("domain", "**.py", "python", _REFUSALS),
    ("application", "**.py", "python", _REFUSALS),
    ("adapters", "**.py", "python", _KEYWORDS),
    ("adapters/mail/templates", "**.jinja", "jinja2", _KEYWORDS),
    ("entrypoints", "**.py", "python", _KEYWORDS),
    ("entrypoints/http/pages/templates", "**.html", "jinja2", _KEYWORDS),
]


@cache
def extracted() -> Catalog:
    """Every text that the sources mark for translation, and the titles of problems."""
    catalogue = Catalog()
    with warnings.catch_warnings(action="ignore"):
        for folder, pattern, method, keywords in _SOURCES:
            for name, line, message, _, _ in extract_from_dir(
                str(_ROOT / folder), method_map=[(pattern, method)], keywords=keywords
            ):
                catalogue.add(message, locations=[(f"{folder}/{name}", line)])
    for problem in CATALOGUE.values():
        catalogue.add(problem.title)
    return catalogue


def texts(catalogue: Catalog) -> dict[str, Message]:
    """By the text, or the singular of a text with two forms."""
    named = [message for message in catalogue if message.id]
    return {message.id if isinstance(message.id, str) else message.id[0]: message for message in named}
