"""Texts for people. English is the source; other languages are in `adapters/translations/`."""


def translatable(text: str) -> str:
    """Marks a text for translation, where it is not translated at once."""
    return text
