"""A third language is one file: with a generated one, no page and no mail shows an English sentence."""

import re
from html.parser import HTMLParser

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from adapters.mail.jinja_composer import JinjaComposer
from adapters.mail.sample_mails import sample_mails
from adapters.translations.catalogues import PoTranslations
from entrypoints.http.pages.environment import TEMPLATES
from entrypoints.http.pages.sample import rendered_sample
from tests.support.catalogue import extracted, texts

KEPT = re.compile(r"(%\(\w+\)s|<[^>]*>)")
ACCENTS = str.maketrans("aeiouAEIOU", "áéíóúÁÉÍÓÚ")
FOR_DEVELOPERS = {"docs.html", "problem.html", "mailbox.html", "mail.html", "marked.html"}
ENGLISH = re.compile(r"\b[a-z]*[aeiou][a-z]*\b", re.IGNORECASE)
NAMES = {"Latchkey", "UTC", "Firefox", "Linux", "de", "fr", "English", "Deutsch"}


def pseudo(text: str) -> str:
    """Accented, and 40% longer, with the same placeholders and tags."""
    parts = KEPT.split(text)
    accented = "".join(part if KEPT.fullmatch(part) else part.translate(ACCENTS) for part in parts)
    return accented + "~" * (len(text) * 2 // 5)


@pytest.fixture(scope="module")
def translations(tmp_path_factory: pytest.TempPathFactory) -> PoTranslations:
    folder = tmp_path_factory.mktemp("translations")
    catalogue = Catalog(locale="fr", fuzzy=False)
    for message in texts(extracted()).values():
        if isinstance(message.id, str):
            catalogue.add(message.id, pseudo(message.id))
        else:
            singular, plural = map(pseudo, message.id)
            catalogue.add(message.id, [singular, *[plural] * (catalogue.num_plurals - 1)])
    with (folder / "fr.po").open("wb") as file:
        write_po(file, catalogue)
    return PoTranslations(folder)


class Shown(HTMLParser):
    """The text that a person reads or hears."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._hidden = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = self._hidden or (tag if tag in ("style", "script", "code") else "")
        heard = ("aria-label", "alt", "title", "placeholder")
        self.texts += [value for name, value in attrs if name in heard and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = "" if tag == self._hidden else self._hidden

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)


def english_words(text: str) -> list[str]:
    without_values = re.sub(r"https?://\S+|\S+@\S+|[0-9a-f:]{8,}|(?i:sample)", "", text)
    return [word for word in ENGLISH.findall(without_values) if word not in NAMES and len(word) > 1]


@pytest.mark.parametrize("name", sorted({path.name for path in TEMPLATES.glob("*.html")} - FOR_DEVELOPERS))
def test_page_shows_no_english_in_another_language(translations: PoTranslations, name: str) -> None:
    page = rendered_sample(translations.of("fr"), name)
    assert [word for text in Shown(page).texts for word in english_words(text)] == []


def test_mails_show_no_english_in_another_language(translations: PoTranslations) -> None:
    composer = JinjaComposer("https://accounts.example.org", translations=translations)
    for sample in sample_mails("fr"):
        mail = sample.composed_by(composer)
        months = {"novembre", "décembre", "jours", "heures", "minutes"}
        for text in (mail.subject, mail.text, *Shown(mail.html).texts):
            assert [word for word in english_words(text) if word not in months] == [], sample.name
