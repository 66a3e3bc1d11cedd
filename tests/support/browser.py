"""A real browser for tests of pages."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.programs import lacking

CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_CONTRASTS = """
const channel = (value) => {
  value /= 255;
  return value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
};
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parts(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
    if (colour[3] !== 0) throw "a background that is half transparent";
  }
  return [255, 255, 255];
};
const found = [];
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!(own || element.value && element.type !== "hidden") || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const [a, b] = [light(parts(style.color)), light(behind(element))];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  found.push({text: (element.textContent.trim() || element.value).slice(0, 40), ratio});
}
return found;
"""
"""The contrast of every visible text with its background (WCAG 2.2, 1.4.3)."""

_SHIFTS = """
const [answer] = arguments, observer = new PerformanceObserver(() => {});
const look = () => {
  observer.observe({type: "layout-shift", buffered: true});
  answer(observer.takeRecords().filter((one) => !one.hadRecentInput).map(
    ({value, sources}) => [value, sources.map(({node}) => (node?.outerHTML ?? "").slice(0, 160))]));
};
requestAnimationFrame(() => requestAnimationFrame(look));
"""
"""Shifts within half a second after an input, or after a change of the window's size, do not count."""


class Browser:
    """A headless Chromium that loads one document at a time and records its console messages."""

    def __init__(self, profile: Path, pictures: Path | None, *, preferences: dict[str, object] | None = None) -> None:
        for program in (CHROMIUM, CHROMEDRIVER):
            if not program.exists():
                lacking(str(program), "apt-get install chromium chromium-driver")
        options = ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (
            *("headless", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
            *("disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=900,900"),
            *(f"user-data-dir={profile}", *(["no-sandbox"] if os.geteuid() == 0 else [])),
        ):
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        options.add_experimental_option("prefs", preferences or {})
        self.driver = Chrome(options, Driver(str(CHROMEDRIVER)))
        self._pictures = pictures

    def see(self, name: str) -> None:
        """Check the page in light and dark, wide and narrow: nothing is cut off, and all text has enough contrast."""
        for scheme, width in self.views(name, widths=(360, 1280)):
            if width == 360:
                faint = self.driver.execute_script(_CONTRASTS)
                assert [one for one in faint if one["ratio"] < 4.5] == [], f"{name} in {scheme}"
                assert faint, f"{name} has no text"

    def views(self, name: str, *, widths: tuple[int, int]) -> Iterator[tuple[str, int]]:
        """Show the page in light and dark, narrow and wide. Takes a picture of each, and requires that it needs no
        horizontal scrolling."""
        for scheme in ("light", "dark"):
            for width in widths:
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
                metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
                self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
                wide = self.driver.execute_script("return document.documentElement.scrollWidth")
                assert wide <= width, f"{name} is {wide} wide on a screen of {width}"
                if self._pictures is not None:
                    high = self.driver.execute_script("return document.documentElement.scrollHeight")
                    metrics["height"] = max(600, min(high, 4000))
                    self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
                    assert self.driver.save_screenshot(str(self._pictures / f"{name}-{scheme}-{width}.png"))
                yield scheme, width
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def shifts(self) -> list[Any]:
        """The layout shifts of the page so far: the value of each, and what moved."""
        driver: Any = self.driver  # its answers are untyped
        found: list[Any] = driver.execute_async_script(_SHIFTS)
        return found

    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "main").text

    def press(self) -> None:
        button = self.driver.find_element(By.CSS_SELECTOR, "button:not([type=button])")
        button.click()
        # While one document replaces another, Chromium's driver may answer with an error of its inspector instead.
        WebDriverWait(self.driver, 20, ignored_exceptions=[WebDriverException]).until(staleness_of(button))

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.driver.find_element(By.NAME, name).send_keys(value)

    def complaints(self) -> list[str]:
        driver: Any = self.driver  # its logs are untyped
        lines: list[dict[str, str]] = driver.get_log("browser")
        return [line["message"] for line in lines if line["level"] in {"WARNING", "SEVERE"}]

    def requests(self) -> list[str]:
        """The URLs that the browser has requested since the last call."""
        driver: Any = self.driver  # its logs are untyped
        events = [json.loads(line["message"])["message"] for line in driver.get_log("performance")]
        return [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
