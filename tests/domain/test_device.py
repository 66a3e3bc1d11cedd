"""Descriptions of devices from User-Agent headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.device import describe_device

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/142.0 Safari/537.36", "Chrome on ChromeOS"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/142.0 Mobile Safari/537.36", "Chrome on Android"),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36",
            "Samsung Internet on Android",
        ),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Chrome/142.0 Safari/537.36 OPR/120.0",
            "Opera on macOS",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Mobile/15E148 "
            "Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 CriOS/142.0 Safari/604.1",
            "Chrome on iPad",
        ),
        ("curl/8.14.1", "curl"),
        ("python-httpx/0.28.1", "a Python program"),
        ("Paper/12 CFNetwork/3826.500.131 Darwin/24.5.0", "an Apple app"),
        ("Paper/3 (Linux; Android 15)", "a program on Android"),
        ("", ""),
        ("Paper/1.0", ""),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_a_device_is_described_by_browser_and_system(agent: str, words: str) -> None:
    assert describe_device(agent) == words


@given(st.text(max_size=300), st.sampled_from(["", "Firefox/", "Linux", "curl/", "CFNetwork/"]))
def test_a_device_description_never_quotes_the_user_agent(agent: str, known: str) -> None:
    assert set(describe_device(known + agent + known)) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ. "
    )
