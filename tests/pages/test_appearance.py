"""Every page in every state: accessible, within the screen, at rest, usable by keyboard, and with texts in German."""

import json
from itertools import pairwise
from typing import Any

import pytest

from adapters.translations.catalogues import PoTranslations
from tests.support.page_tours import SETTINGS, TOURS, Tour
from tests.support.person import Person

WIDTHS = (320, 1200)
every_tour = pytest.mark.parametrize(
    ("settings", "tour"),
    [pytest.param(SETTINGS.get(tour, {}), tour, id=tour.__name__) for tour in TOURS],
    indirect=["settings"],
    scope="module",  # so that tests with the same service follow one another
)
_AXE = """axe.run(document, {resultTypes: ["violations"], iframes: false}).then(({violations}) => JSON.stringify(
  violations.map(({id, impact, nodes}) => [id, impact, nodes.map((node) => node.html.slice(0, 160)).slice(0, 3)])))"""
_CONTROLS = """
window.controls = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter((one) => one.checkVisibility() && !one.disabled && one.type !== "hidden");
return controls.length;
"""
_FOCUS = """
const one = document.activeElement, style = getComputedStyle(one);
return [controls.indexOf(one), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, one.outerHTML];
"""


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    given: dict[str, str] = request.param
    return given


def faults(person: Person, axe: str) -> list[Any]:
    """What axe-core finds, of any impact."""
    if not person.script("return 'axe' in window"):
        # Not with a script element, which the Content-Security-Policy forbids.
        person.cdp("Runtime.evaluate", expression=axe)
    answer = person.cdp("Runtime.evaluate", expression=_AXE, awaitPromise=True)
    found: list[Any] = json.loads(answer["result"]["value"])
    return found


def walk(person: Person, name: str) -> None:
    """Press Tab until the focus has been on every control, in their order and always seen."""
    count = person.script(_CONTROLS)
    if name == "docs":  # hundreds of links
        return
    order: list[int] = []
    for _ in range(2 * count + 4):
        if len(set(order)) == count:
            break
        for kind in ("rawKeyDown", "keyUp"):
            person.cdp("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        at, seen, html = person.script(_FOCUS)
        if at >= 0:
            order.append(at)
            assert seen, f"{name}: the focus cannot be seen on {html}"
    assert len(set(order)) == count, f"{name}: Tab reaches {sorted(set(order))} of {count}"
    assert sum(after < before for before, after in pairwise(order)) <= 1, f"{name}: {order}"


@every_tour
def test_page_is_accessible(person: Person, axe: str, tour: Tour) -> None:
    for name in tour(person):
        assert person.browser.shifts() == [], f"{name} has shifted"
        for scheme, width in person.browser.views(name, widths=WIDTHS):
            assert faults(person, axe) == [], f"{name}, {scheme}, {width}"
        walk(person, name)


@every_tour
def test_german_page_is_accessible(person: Person, axe: str, tour: Tour) -> None:
    person.say = PoTranslations().of("de").gettext
    person.cdp("Network.enable")
    person.cdp("Network.setExtraHTTPHeaders", headers={"Accept-Language": "de"})
    try:
        for name in tour(person):
            for _ in person.browser.views(f"{name}-german", widths=WIDTHS):
                pass
            assert faults(person, axe) == [], name
    finally:
        person.cdp("Network.setExtraHTTPHeaders", headers={})
