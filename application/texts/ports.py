"""Ports for texts in the language of a reader."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol


class Texts(Protocol):
    """The texts of one language. A message without a translation stays English."""

    language: str
    """A language tag (BCP 47), such as `de`."""

    @property
    def name(self) -> str:
        """The language in itself, such as Deutsch."""
        ...

    def gettext(self, message: str, /) -> str: ...

    def ngettext(self, singular: str, plural: str, count: int, /) -> str: ...

    def time(self, at: datetime) -> str:
        """The date, the time and the name of the UTC offset, such as 23 November 2026 at 01:04 UTC."""
        ...

    def date(self, at: datetime) -> str:
        """The date in UTC, such as 23 November 2026."""
        ...

    def duration(self, lifetime: timedelta) -> str:
        """In days from two days on, else in whole hours or in minutes."""
        ...

    def device(self, user_agent: str) -> str:
        """Such as Firefox on Linux; empty if nothing is recognized. Contains no part of the header."""
        ...


class Translations(Protocol):
    """All languages, English first."""

    @property
    def languages(self) -> Sequence[str]: ...

    def of(self, language: str | None) -> Texts:
        """English if there is no such language, or None."""
        ...

    def negotiate(self, accept_language: str) -> str:
        """The language for a value of the header Accept-Language (RFC 9110 section 12.5.4), which may be anything."""
        ...
