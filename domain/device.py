"""Describe a device by its User-Agent header. Clients control the header, so the description has only names from
these lists and never a part of the header."""

from domain.messages import translatable

_PROGRAM = translatable("a program")
_BROWSERS = (
    # The first match wins: the header of a browser also contains names of those below it.
    *(
        ("EdgA/", "Edge"),
        ("EdgiOS/", "Edge"),
        ("Edg/", "Edge"),
        ("Edge/", "Edge"),
        ("OPR/", "Opera"),
        ("OPT/", "Opera"),
    ),
    *(("SamsungBrowser/", "Samsung Internet"), ("Vivaldi/", "Vivaldi"), ("YaBrowser/", "Yandex Browser")),
    *(("DuckDuckGo/", "DuckDuckGo"), ("Ddg/", "DuckDuckGo"), ("FxiOS/", "Firefox"), ("Firefox/", "Firefox")),
    *(("CriOS/", "Chrome"), ("HeadlessChrome/", "Chrome"), ("Chrome/", "Chrome"), ("Chromium/", "Chromium")),
    *(("Safari/", "Safari"), ("Trident/", "Internet Explorer"), ("MSIE ", "Internet Explorer")),
)
_PROGRAMS = (
    *(
        ("curl/", "curl"),
        ("Wget/", "Wget"),
        ("python-requests/", translatable("a Python program")),
        ("python-httpx/", translatable("a Python program")),
    ),
    *(
        ("aiohttp/", translatable("a Python program")),
        ("Python-urllib/", translatable("a Python program")),
        ("Go-http-client/", translatable("a Go program")),
    ),
    *(
        ("okhttp/", translatable("an Android app")),
        ("Dalvik/", translatable("an Android app")),
        ("node", translatable("a Node.js program")),
    ),
)
_SYSTEMS = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("iPod", "iPod"), ("Android", "Android"), ("CrOS", "ChromeOS")),
    *(
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
        ("FreeBSD", "FreeBSD"),
    ),
)


def describe_device(user_agent: str) -> str:
    """For example "Firefox on Linux"; empty if nothing is recognized."""
    system = _first(_SYSTEMS, user_agent)
    if browser := _first(_BROWSERS, user_agent):
        return f"{browser} on {system}" if system else browser
    program = next((name for mark, name in _PROGRAMS if user_agent.startswith(mark)), "")
    program = program or _first((("CFNetwork/", translatable("an Apple app")),), user_agent)
    return program or (f"{_PROGRAM} on {system}" if system else "")


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in names if mark in user_agent), "")
