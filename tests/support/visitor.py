"""A person at a browser without scripts: opens pages, and submits their forms as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

from tests.support.service import PASSWORD, Service

FROM_A_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Form:
    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)


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
            self.forms.append(
                Form(attributes.get("method", "get"), urljoin(str(self.answer.url), attributes["action"]))
            )
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


class Visitor:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.client = service.client()
        self.client.headers["Accept"] = "text/html"
        self.email = ""

    def sign_in(self, email: str, password: str = PASSWORD) -> "Visitor":
        self.email = email
        answer = self.client.post("/sign-in", data={"login": email, "password": password}, headers=FROM_A_PAGE)
        assert answer.status_code == 303, answer.text
        return self

    def step_up(self, **factor: str) -> "Visitor":
        """As the page that asks for confirmation does, which sets this cookie."""
        token = self.post("/v1/session/token").json()["access_token"]
        headers = FROM_A_PAGE | {"Authorization": f"Bearer {token}"}
        answer = self.client.post("/v1/step-up", json=factor, headers=headers)
        self.client.cookies.set("latchkey-step-up", answer.json()["access_token"])
        return self

    def open(self, path: str, *, status: int = 200) -> Document:
        answer = self.client.get(path)
        assert answer.status_code == status, (answer.status_code, answer.headers, answer.text)
        return Document(answer)

    def post(self, path: str, fields: Mapping[str, str] | None = None) -> httpx.Response:
        return self.client.post(path, data=fields or {}, headers=FROM_A_PAGE)

    def submit(self, path: str, *, on: str = "", status: int = 200, **fields: str) -> Document:
        """Open the page `on`, else `path` itself, submit its form for `path`, and follow the redirect."""
        return self.send(self.open(on or path).form(path), status=status, **fields)

    def send(self, form: Form, *, status: int = 200, **fields: str) -> Document:
        assert set(fields) <= set(form.fields)
        answer = self.client.post(form.action, data=form.fields | fields, headers=FROM_A_PAGE, follow_redirects=True)
        assert answer.status_code == status, (answer.status_code, answer.url, answer.text)
        return Document(answer)
