"""Translations: the language that a client prefers, and texts, dates and durations in it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.translations.catalogues import PoTranslations
from adapters.translations.languages import negotiate

HEADER = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""
AT = datetime(2026, 11, 23, 1, 4, 5, tzinfo=UTC)
TAGS = ("en", "de", "fr", "pt-BR")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-AT, en;q=0.9", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr-CA;q=0.5, de;q=0.7", "de"),
        ("sv, fr;q=0.1", "fr"),
        ("pt", "pt-BR"),
        ("pt-br;q=0.2", "pt-BR"),
        ("*", "en"),
        ("sv, *;q=0.5", "en"),
        ("en;q=0, *", "de"),
        ("de;q=0.1, *;q=0.9", "en"),
        ("de-AT, de;q=0", "en"),
        ("en;q=0", "en"),
        ("en ; q=0.5 , de\t;\tq=0.50", "en"),
        ("de;q=0.5, en;q=0.5", "de"),
        ("de;q=1.000, en;q=1.001", "de"),
        ("de;q=2, en;q=0.1", "en"),
        ("de;level=1, fr", "fr"),
        ("de_DE", "en"),
        (", ,,de", "de"),
    ],
)
def test_language_follows_quality_then_order(header: str, language: str) -> None:
    assert negotiate(header, TAGS) == language


ranges = st.tuples(st.sampled_from(["en", "de", "fr", "sv", "*"]), st.integers(0, 1000))


@given(st.lists(ranges, max_size=8, unique_by=lambda one: one[0]))
def test_language_has_the_highest_quality_that_the_header_gives(wanted: list[tuple[str, int]]) -> None:
    chosen = negotiate(", ".join(f"{tag};q={quality / 1000:.3f}" for tag, quality in wanted), ["en", "de", "fr"])
    given_qualities = dict(wanted)
    qualities = {tag: given_qualities.get(tag, given_qualities.get("*", 0)) for tag in ("en", "de", "fr")}
    assert qualities[chosen] == max(qualities.values())


@given(st.text(alphabet="ende-*;q=01.,\t \x00é", max_size=200) | st.text(max_size=200))
def test_any_header_gives_a_known_language(header: str) -> None:
    assert negotiate(header, TAGS) in TAGS


@pytest.mark.parametrize(
    "header", ["de;q=0.1," * 100_000, "a-" * 500_000, "," * 1_000_000, " " * 1_000_000, "de;" + "q=1;" * 250_000]
)
def test_long_header_costs_nothing(header: str) -> None:
    began = time.process_time()
    for _ in range(100):
        negotiate(header, TAGS)
    assert time.process_time() - began < 0.5


def test_dates_and_durations_are_in_the_language() -> None:
    english, german = (PoTranslations().of(language) for language in ("en", "de"))
    assert english.time(AT) == "23 November 2026 at 01:04 UTC"
    assert german.time(AT) == "23. November 2026 um 01:04 UTC"
    assert (english.date(AT), german.date(AT)) == ("23 November 2026", "23. November 2026")
    amounts = [timedelta(days=7), timedelta(hours=24), timedelta(hours=1), timedelta(minutes=90)]
    assert [english.duration(it) for it in amounts] == ["7 days", "24 hours", "1 hour", "90 minutes"]
    assert [german.duration(it) for it in amounts] == ["7 Tage", "24 Stunden", "1 Stunde", "90 Minuten"]


def test_unknown_language_and_untranslated_message_are_english(tmp_path: Path) -> None:
    (tmp_path / "de.po").write_text(f'{HEADER}msgid "Sign in"\nmsgstr "Anmelden"\n\nmsgid "Empty"\nmsgstr ""\n')
    translations = PoTranslations(tmp_path)
    assert [translations.of(language).language for language in ("de", "xx", "", None)] == ["de", "en", "en", "en"]
    assert [translations.of("de").gettext(it) for it in ("Sign in", "Empty", "Sign out", "")] == [
        *("Anmelden", "Empty", "Sign out", "")
    ]


def test_language_is_one_more_file(tmp_path: Path) -> None:
    (tmp_path / "pt-BR.po").write_text(
        f'{HEADER}msgid "%(num)s device"\nmsgid_plural "%(num)s devices"\nmsgstr[0] "%(num)s aparelho"\n'
        'msgstr[1] "%(num)s aparelhos"\n'
    )
    translations = PoTranslations(tmp_path)
    assert translations.languages == ("en", "pt-BR")
    assert translations.of("pt-BR").ngettext("%(num)s device", "%(num)s devices", 2) == "%(num)s aparelhos"
    assert translations.of("pt-BR").date(AT) == "23 de novembro de 2026"
    assert translations.of(translations.negotiate("pt;q=0.9, fr")).language == "pt-BR"
