"""Colours: contrast as WCAG 2.2 defines it, and a lighter accent for dark mode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.branding import DEFAULT_ACCENT, DESIGN, MIN_CONTRAST, Accent, contrast

colors = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    # As the contrast checker of WebAIM shows them.
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#0000ff", "#ffffff", 8.59),
        ("#ff0000", "#ffffff", 4.0),
        ("#123456", "#123456", 1.0),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@given(colors)
def test_accent_is_readable_everywhere_or_refused(color: str) -> None:
    if contrast(color, "#ffffff") < MIN_CONTRAST:
        with pytest.raises(ValueError, match="must be darker"):
            Accent.of(color)
        return
    accent = Accent.of(color)
    for background in (DESIGN.light_page, DESIGN.light_card):  # links, and the text on buttons
        assert contrast(accent.light, background) >= MIN_CONTRAST
    for background in (DESIGN.dark_page, DESIGN.dark_card):
        assert contrast(accent.dark, background) >= MIN_CONTRAST


@given(colors)
def test_color_that_can_be_read_on_the_page_is_used_as_it_is(color: str) -> None:
    if contrast(color, DESIGN.light_page) >= MIN_CONTRAST:
        assert Accent.of(color).light == color


def test_color_that_can_just_be_read_on_white_is_darkened_for_the_page() -> None:
    assert Accent.of("#767676").light == "#707070"


@pytest.mark.parametrize("text", ["", "teal", "#fff", "0b6b63", "#0b6b6g", "#0b6b63;", "#0b6b63ff", "url(x)"])
def test_color_that_is_no_hex_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a colour such as"):
        Accent.of(text)


def test_color_is_compared_in_lower_case() -> None:
    assert Accent.of("#0B6B63") == DEFAULT_ACCENT


@pytest.mark.parametrize("color", ["#777777", "#ffcc00", "#ffffff"])
def test_refusal_of_a_color_names_its_contrast(color: str) -> None:
    with pytest.raises(ValueError, match=r"its contrast with white is \d\.\d+, and must be at least"):
        Accent.of(color)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_neutral_colors_are_readable(mode: str) -> None:
    ink, soft, page, card = (getattr(DESIGN, f"{mode}_{name}") for name in ("ink", "soft", "page", "card"))
    for text in (ink, soft):
        for background in (page, card):
            assert contrast(text, background) >= MIN_CONTRAST
