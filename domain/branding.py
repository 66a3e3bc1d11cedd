"""Colours of pages and mails, and their contrast (WCAG 2.2, success criterion 1.4.3)."""

import re
from dataclasses import dataclass

MIN_CONTRAST = 4.5
_DARK_CONTRAST = 6
"""Light text on a dark background looks weaker."""
_HEX = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Design:
    """The neutral colours. Text is `ink` or `soft`; `page` is the background, on which cards lie."""

    light_page: str = "#f4f6f6"
    light_card: str = "#ffffff"
    light_line: str = "#d9dfe0"
    light_ink: str = "#1b2426"
    light_soft: str = "#536164"
    dark_page: str = "#111618"
    dark_card: str = "#1a2123"
    dark_line: str = "#343e41"
    dark_ink: str = "#e7ecec"
    dark_soft: str = "#a3b0b3"


DESIGN = Design()


@dataclass(frozen=True, slots=True)
class Accent:
    """The colour of buttons and links in light and in dark mode. Text on a light one is `light_card`, on a dark one
    `dark_page`. The page is darker than white, so a colour that can just be read on white becomes a little darker."""

    light: str
    dark: str

    @classmethod
    def of(cls, color: str) -> "Accent":
        """Raises ValueError if links or buttons in this colour could not be read; says what is wrong."""
        color = color.lower()
        if not _HEX.fullmatch(color):
            raise ValueError("must be a colour such as #0b6b63")
        found = contrast(color, DESIGN.light_card)
        if found < MIN_CONTRAST:
            raise ValueError(
                f"must be darker: its contrast with white is {int(found * 100) / 100},"
                f" and must be at least {MIN_CONTRAST} (WCAG 2.2)"
            )
        return cls(
            _mixed(color, 0, on=(DESIGN.light_page, DESIGN.light_card), least=MIN_CONTRAST),
            _mixed(color, 255, on=(DESIGN.dark_page, DESIGN.dark_card), least=_DARK_CONTRAST),
        )


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _mixed(color: str, extreme: int, *, on: tuple[str, str], least: float) -> str:
    """The colour mixed with the least black (0) or white (255) that can be read on both backgrounds."""
    for percent in range(101):
        mixed = "#" + "".join(f"{part + (extreme - part) * percent // 100:02x}" for part in _parts(color))
        if min(contrast(mixed, background) for background in on) >= least:
            break
    return mixed


def _luminance(color: str) -> float:
    """Relative luminance."""
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in _parts(color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


DEFAULT_COLOR = "#0b6b63"
"""A deep blue-green."""
DEFAULT_ACCENT = Accent.of(DEFAULT_COLOR)
