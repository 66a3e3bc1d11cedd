"""The catalogues are complete: each text of pages and mails is translated, with the same placeholders."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from tests.support.catalogue import extracted, texts

ROOT = Path(__file__).resolve().parents[2]
TRANSLATIONS = ROOT / "adapters" / "translations"
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|%.")
TAG = re.compile(r"<[^>]*>?")


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.stem.replace("-", "_"), abort_invalid=True)


def problems(catalogue: Catalog) -> Iterator[str]:
    known, translated = texts(extracted()), texts(catalogue)
    yield from (f"missing: {text}" for text in known if text not in translated)
    yield from (f"unused: {text}" for text in translated if text not in known)
    yield from (f"obsolete: {text}" for text in catalogue.obsolete)
    for text, message in translated.items():
        given = message.string if isinstance(message.string, list | tuple) else [message.string]
        forms = [form or "" for form in given]
        if message.fuzzy:
            yield f"fuzzy: {text}"
        if not all(forms):
            yield f"empty: {text}"
        if text in known and message.pluralizable is not known[text].pluralizable:
            yield f"plural: {text}"
        sources = [text] if isinstance(message.id, str) else message.id
        wanted = {frozenset(PLACEHOLDER.findall(source)) for source in sources}
        if not {frozenset(PLACEHOLDER.findall(form)) for form in forms} <= wanted:
            yield f"placeholders: {text}"
        if not {frozenset(TAG.findall(form)) for form in forms} <= {frozenset(TAG.findall(it)) for it in sources}:
            yield f"markup: {text}"


@pytest.mark.parametrize("path", sorted(TRANSLATIONS.glob("*.po")), ids=lambda path: path.stem)
def test_catalogue_is_complete_and_has_the_same_placeholders(path: Path) -> None:
    assert list(problems(read(path))) == []


def test_german_exists() -> None:
    assert (TRANSLATIONS / "de.po").is_file()


HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('msgid "Sign in"\nmsgstr ""\n', "empty: Sign in"),
        ('#, fuzzy\nmsgid "Sign in"\nmsgstr "Anmelden"\n', "fuzzy: Sign in"),
        ('msgid "Sign off"\nmsgstr "Abmelden"\n', "unused: Sign off"),
        ('#~ msgid "Sign in"\n#~ msgstr "Anmelden"\n', "obsolete: Sign in"),
        (
            'msgid "Continue to %(product)s"\nmsgstr "Weiter zu %(produkt)s"\n',
            "placeholders: Continue to %(product)s",
        ),
        ('msgid "Continue to %(product)s"\nmsgstr "Weiter zu"\n', "placeholders: Continue to %(product)s"),
        ('msgid "Sign in"\nmsgstr "<b>Anmelden</b>"\n', "markup: Sign in"),
    ],
)
def test_problem_of_a_catalogue_is_found(tmp_path: Path, entry: str, problem: str) -> None:
    (tmp_path / "de.po").write_text(HEADER + entry)
    found = list(problems(read(tmp_path / "de.po")))
    assert problem in found
    assert "missing: Sign out" in found


def test_templates_translate_only_literal_texts() -> None:
    """A variable would be marked as safe HTML by `_()`: translate it in Python."""
    for folder in ("adapters/mail/templates", "entrypoints/http/pages/templates"):
        for path in (ROOT / folder).rglob("*.*"):
            assert not re.findall(r"\b(?:_|n?gettext)\(\s*[^'\"\s]", path.read_text()), path
