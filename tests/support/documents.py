"""Programs and configurations, extracted from the documents so that tests run what the documents show."""

import re
from pathlib import Path

from tests.support.service import ROOT

API, INTEGRATING, OPERATIONS = (ROOT / "docs" / f"{name}.md" for name in ("api", "integrating", "operations"))
FORWARD_AUTH = ROOT / "docs" / "forward-auth.md"


def blocks(document: Path, language: str = "sh") -> list[str]:
    """All blocks of a document in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)


def block(language: str) -> str:
    """The one block of these guides in that language."""
    text = "\n".join(guide.read_text() for guide in (INTEGRATING, FORWARD_AUTH, OPERATIONS))
    [content] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    code: str = content
    return code


def with_real_values(text: str, places: dict[str, str]) -> str:
    """The text with its placeholders replaced; raises AssertionError if one is missing."""
    for example, place in places.items():
        assert example in text, example
        text = text.replace(example, place)
    return text
