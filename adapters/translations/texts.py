"""Texts of one language: gettext for messages, CLDR (Babel) for dates and durations."""

import gettext
from datetime import UTC, datetime, timedelta

from babel import Locale
from babel.dates import format_date, format_time
from babel.units import format_unit

from application.texts.ports import Texts
from domain.device import describe_device

_REGIONS = {"en": "en-GB"}
"""English for everybody: the day before the month, and 24 hours."""


class GettextTexts(Texts):
    """Babel loads its data of a language when a date or duration is first formatted: about 4 MiB, then 1 for each
    further language."""

    def __init__(self, language: str, messages: gettext.NullTranslations) -> None:
        self.language = language
        self._messages = messages
        self._locale = _locale(_REGIONS.get(language, language))

    @property
    def name(self) -> str:
        return _locale(self.language).get_display_name() or self.language

    def gettext(self, message: str, /) -> str:
        return self._messages.gettext(message) if message else ""  # "" is the header of a catalogue

    def ngettext(self, singular: str, plural: str, count: int, /) -> str:
        return self._messages.ngettext(singular, plural, count)

    def time(self, at: datetime) -> str:
        clock = format_time(at.astimezone(UTC), "short", locale=self._locale)
        return self.gettext("%(date)s at %(time)s UTC") % {"date": self.date(at), "time": clock}

    def date(self, at: datetime) -> str:
        return format_date(at.astimezone(UTC).date(), "long", locale=self._locale)

    def duration(self, lifetime: timedelta) -> str:
        if lifetime >= timedelta(days=2):
            return self._amount(lifetime // timedelta(days=1), "day")
        hours, rest = divmod(lifetime, timedelta(hours=1))
        return self._amount(lifetime // timedelta(minutes=1), "minute") if rest else self._amount(hours, "hour")

    def device(self, user_agent: str) -> str:
        program, on, system = describe_device(user_agent).partition(" on ")
        if not on:
            return self.gettext(program)
        return self.gettext("%(program)s on %(system)s") % {"program": self.gettext(program), "system": system}

    def _amount(self, count: int, unit: str) -> str:
        return format_unit(count, f"duration-{unit}", locale=self._locale)


def _locale(language: str) -> Locale:
    return Locale.parse(language, sep="-")
