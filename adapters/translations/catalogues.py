"""All languages: English, which is in the sources, and each `.po` file in a folder."""

import gettext
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from adapters.translations.languages import negotiate
from adapters.translations.texts import GettextTexts
from application.texts.ports import Translations

SOURCE_LANGUAGE = "en"


class PoTranslations(Translations):
    """A file is named by its language, such as `de.po`."""

    def __init__(self, folder: Path = Path(__file__).parent) -> None:
        files = {path.stem: path for path in sorted(folder.glob("*.po"))}
        english = GettextTexts(SOURCE_LANGUAGE, gettext.NullTranslations())
        self._texts: Mapping[str, GettextTexts] = {
            SOURCE_LANGUAGE: english,
            **{language: GettextTexts(language, _messages(path, language)) for language, path in files.items()},
        }

    @property
    def languages(self) -> Sequence[str]:
        return tuple(self._texts)

    def of(self, language: str | None) -> GettextTexts:
        return self._texts.get(language or SOURCE_LANGUAGE, self._texts[SOURCE_LANGUAGE])

    def negotiate(self, accept_language: str) -> str:
        return negotiate(accept_language, self.languages)


def _messages(path: Path, language: str) -> gettext.GNUTranslations:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language.replace("-", "_"), abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
