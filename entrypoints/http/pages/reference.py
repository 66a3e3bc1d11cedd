"""What the API reference shows of each operation. Everything comes from the OpenAPI document."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from domain.role import Role
from entrypoints.http.openapi import resolved
from entrypoints.http.problems import PROBLEM_JSON
from entrypoints.http.request import FORM

_PLACEHOLDER = re.compile(r"\{(\w+)\}")

Node = Mapping[str, Any]
"""A part of the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body."""

    name: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`auth` is `bearer`, `basic`, `cookie` or empty. `fields` are by place: path, query or body. `body` is an
    example, and `answer` the status, the headers and the body of one. `errors` are codes by status."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    auth: str
    access: str
    fields: dict[str, list[Field]]
    media_type: str
    body: str
    curl: str
    answer: str
    errors: dict[str, list[str]]

    @property
    def parameters(self) -> list[str]:
        """The names of what goes into the URL."""
        return [field.name for place in ("path", "query") for field in self.fields.get(place, [])]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def topics(document: Node) -> Iterator[tuple[Node, list[Call]]]:
    """The tags of the document, each with its operations."""
    for tag in document["tags"]:
        yield (
            tag,
            [
                _call(document, path, method, operation)
                for path, item in document["paths"].items()
                for method, operation in item.items()
                if tag["name"] in operation["tags"]
            ],
        )


def _call(document: Node, path: str, method: str, operation: Node) -> Call:
    content: Node = operation.get("requestBody", {}).get("content", {})
    media_type = next(iter(content), "")
    body = content.get(media_type, {})
    sample = _example(document, body) if content else None
    auth = next((scheme for one in operation["security"] for scheme in one), "")
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        auth=auth,
        access=_access(auth, operation.get("x-required-role")),
        fields=_fields(document, operation, _resolved(document, body.get("schema", {}))),
        media_type=media_type,
        body=_encoded(sample, media_type),
        curl=_curl(document, method.upper(), path, auth, media_type, sample),
        answer=_answer(document, operation),
        errors={
            status: list(response["content"][PROBLEM_JSON]["examples"])
            for status, response in sorted(operation["responses"].items())
            if status >= "400"
        },
    )


def _access(auth: str, role: str | None) -> str:
    if auth == "basic":
        return "client id and secret (HTTP Basic)"
    if auth == "cookie":
        return "cookie of a browser session"
    if not auth:
        return "public"
    if role in (None, Role.MEMBER):
        return "access token" if role is None else "access token of a verified user"
    return f"access token of a verified user whose role is at least {role}"


def _fields(document: Node, operation: Node, shape: Node) -> dict[str, list[Field]]:
    fields_by_place: dict[str, list[Field]] = {"path": [], "query": [], "body": []}
    for parameter in operation.get("parameters", []):
        description = parameter.get("description") or _description(document, parameter["schema"])
        fields_by_place[parameter["in"]].append(Field(parameter["name"], parameter["required"], description))
    for name, schema in shape.get("properties", {}).items():
        fields_by_place["body"].append(Field(name, name in shape.get("required", []), _description(document, schema)))
    return {place: fields for place, fields in fields_by_place.items() if fields}


def _description(document: Node, schema: Node) -> str:
    schema = _resolved(document, schema["anyOf"][0] if "anyOf" in schema else schema)
    values = "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "." if "enum" in schema else ""
    return str(schema.get("description", values))


def _resolved(document: Node, schema: Node) -> Node:
    return resolved(schema, document["components"]["schemas"])


def _example(document: Node, content: Node) -> Any:
    """An example of a body: its own, or else that of its schema."""
    if "examples" in content:
        return next(iter(content["examples"].values()))["value"]
    return _resolved(document, content["schema"]).get("examples", [""])[0]


def _encoded(sample: Any, media_type: str) -> str:
    if sample is None or isinstance(sample, str):
        return sample or ""
    return urlencode(sample) if media_type == FORM else json.dumps(sample, indent=2, ensure_ascii=False)


def _curl(document: Node, method: str, path: str, auth: str, media_type: str, sample: Any) -> str:
    """What a reader has to fill in is a variable of the shell, as `$TOKEN`."""
    server, schemes = document["servers"][0]["url"], document["components"]["securitySchemes"]
    credentials = {
        "bearer": ['-H "Authorization: Bearer $TOKEN"'],
        "basic": ['-u "$CLIENT_ID:$CLIENT_SECRET"'],
        "cookie": [f'-b "{schemes["cookie"]["name"]}=$COOKIE"', "-H 'Sec-Fetch-Site: same-origin'"],
    }
    path = _PLACEHOLDER.sub(lambda match: f"${match[1].upper()}", path)
    url = f'"{server}{path}"' if "$" in path else shlex.quote(server + path)
    parts = [f"curl {url}" if method == ("POST" if media_type else "GET") else f"curl -X {method} {url}"]
    parts += credentials.get(auth, [])
    if media_type == FORM:
        parts.append(f"-d {shlex.quote(urlencode(sample))}")
    elif media_type:
        parts += [f"-H 'Content-Type: {media_type}'", f"-d {shlex.quote(json.dumps(sample, ensure_ascii=False))}"]
    return " \\\n  ".join(parts)


def _answer(document: Node, operation: Node) -> str:
    """As HTTP writes it: the status, the headers of this operation, and the body."""
    status, response = next((it, one) for it, one in operation["responses"].items() if it < "400")
    lines = [f"{status} {HTTPStatus(int(status)).phrase}"]
    lines += [f"{name}: {header.get('example', '…')}" for name, header in sorted(response.get("headers", {}).items())]
    for media_type, content in response.get("content", {}).items():
        body = _encoded(_example(document, content), media_type)
        lines += ["", body] if body else []
    return "\n".join(lines)
