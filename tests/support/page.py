"""A page as a person reads it, and its forms, which tests send as a browser does."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says about a request of the page itself."""


@dataclass
class Form:
    action: str
    attributes: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    """Names and values."""


class Document(HTMLParser):
    """The text, links, forms and field errors of a page. `notes` maps the id of each element to its text."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.described: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.alerts: list[str] = []
        self.heading = ""
        self.text = ""
        self._open: list[tuple[str, dict[str, str]]] = []
        self._select = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in given}
        if tag == "form":
            self.forms.append(Form(urljoin(str(self.answer.url), attributes["action"]), attributes))
        if tag == "a":
            self.links.append(urljoin(str(self.answer.url), attributes["href"]))
        if tag == "input" and "name" in attributes and self.forms:
            self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
            self.described[attributes["name"]] = attributes.get("aria-describedby", "")
        if tag == "select":
            self._select = attributes["name"]
            self.described[self._select] = attributes.get("aria-describedby", "")
        if tag == "option" and (self._select not in self.forms[-1].fields or "selected" in attributes):
            self.forms[-1].fields[self._select] = attributes["value"]
        if tag not in {"input", "meta", "link", "br"}:
            self._open.append((tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if any(tag in {"style", "script"} for tag, _ in self._open):
            return
        self.text += data
        for tag, attributes in self._open:
            if "id" in attributes:
                self.notes[attributes["id"]] = self.notes.get(attributes["id"], "") + data
            if attributes.get("role") == "alert":
                self.alerts.append(data)
            if tag == "h1":
                self.heading += data

    def error_of(self, name: str) -> str:
        """The error that belongs to a field, for screen readers too."""
        return self.notes.get(f"{name}-error", "") if f"{name}-error" in self.described[name] else ""

    def form(self, path: str) -> Form:
        """The only form that posts to a path."""
        (form,) = (one for one in self.forms if httpx.URL(one.action).path == path)
        return form

    def form_with(self, name: str) -> Form:
        """The first form with a field of this name."""
        return next(form for form in self.forms if name in form.fields)


def fill_in(client: httpx.Client, page: httpx.Response, **values: str) -> httpx.Response:
    """Fill in the form that has the first of these fields, and send it with its other fields as they are."""
    form = Document(page).form_with(next(iter(values)))
    return client.post(form.action, data=form.fields | values, headers=SAME_ORIGIN)
