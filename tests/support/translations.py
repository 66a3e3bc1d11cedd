"""The texts of the service, for tests that compose mails or read pages."""

from adapters.translations.catalogues import PoTranslations

TRANSLATIONS = PoTranslations()
ENGLISH, GERMAN = TRANSLATIONS.of("en"), TRANSLATIONS.of("de")
