"""What README.md shows is what the tests run: programs and configurations are taken out of it."""

import re

from tests.support.service import ROOT


def block(language: str) -> str:
    """The one block of README.md in that language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    text: str = found
    return text


def with_places(text: str, places: dict[str, str]) -> str:
    """The text with its example places replaced; each has to be there."""
    for example, place in places.items():
        assert example in text, example
        text = text.replace(example, place)
    return text
