"""Forms of pages, which tests fill in and send as a browser does."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

FROM_THE_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class PageForm:
    action: str
    data: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    """Names and values."""


class _Forms(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.found: list[PageForm] = []

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in given}
        if tag == "form":
            self.found.append(PageForm(urljoin(self._url, attributes["action"]), attributes))
        elif tag == "input" and "name" in attributes:
            self.found[-1].fields[attributes["name"]] = attributes.get("value", "")


def forms(page: httpx.Response) -> list[PageForm]:
    parser = _Forms(str(page.url))
    parser.feed(page.text)
    return parser.found


def form_with(page: httpx.Response, name: str) -> PageForm:
    """The first form with a field of this name."""
    return next(form for form in forms(page) if name in form.fields)


def fill_in(client: httpx.Client, page: httpx.Response, **values: str) -> httpx.Response:
    """Fill in the form that has the first of these fields, and send it with its other fields as they are."""
    form = form_with(page, next(iter(values)))
    return client.post(form.action, data=form.fields | values, headers=FROM_THE_PAGE)
