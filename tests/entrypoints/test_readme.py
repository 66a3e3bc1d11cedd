"""What README.md says of the calls is what OpenAPI says of them, and the other way round."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.entrypoints.service import ROOT, Service

_CALL = re.compile(r"`(GET|POST|PATCH|DELETE) (/[^`?]*)(?:\?([^`]*))?`")
_ID = re.compile(r"\{[a-z_]+\}")
_FIELD = re.compile(r"(optional )?`([a-z_]+)`")


@dataclass(frozen=True)
class Told:
    """A call as somebody describes it: who may call, and what it takes; `status` is the good answer."""

    caller: bool
    role: str | None
    fields: frozenset[tuple[str, bool]]
    query: frozenset[str]
    status: int


def told_by_readme() -> Iterator[tuple[str, Told]]:
    text = (ROOT / "README.md").read_text()
    table = text[text.index("## Calls") :].split("\n## ", 2)[0]
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        names = _CALL.findall(cells[0])
        for method, path, query in names:
            who, _, body = cells[1].rpartition(";") if ";" in cells[1] else ("", "", cells[1])
            if "bearer" in cells[1] and not who:
                who, body = cells[1], ""
            role = re.search(r"moderator|admin", who)
            fields = frozenset((name, not optional) for optional, name in _FIELD.findall(body))
            asked = frozenset(re.findall(r"([a-z_]+)=", query))
            said = re.match(r"\d+", cells[2])
            status = int(said[0]) if said else 200
            told = Told("bearer" in who, role[0] if role else None, fields, asked, status)
            yield f"{method} {_ID.sub('{id}', path)}", told


def told_by_openapi(schema: dict[str, Any]) -> Iterator[tuple[str, Told]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            fields: set[tuple[str, bool]] = set()
            for body in operation.get("requestBody", {}).get("content", {}).values():
                shape = schema["components"]["schemas"][body["schema"]["$ref"].rsplit("/", 1)[-1]]
                fields = {(name, name in shape.get("required", [])) for name in shape["properties"]}
            query = frozenset(it["name"] for it in operation.get("parameters", []) if it["in"] == "query")
            good = next(int(status) for status in operation["responses"] if status.startswith("2"))
            bearer = {"bearer": []} in operation.get("security", [])
            yield (
                f"{method.upper()} {_ID.sub('{id}', path)}",
                Told(bearer, operation.get("x-required-role"), frozenset(fields), query, good),
            )


def test_readme_and_openapi_tell_the_same_calls(service: Service) -> None:
    readme = dict(told_by_readme())
    openapi = dict(told_by_openapi(service.client().get("/openapi.json").json()))
    unsaid = {"GET /docs", "GET /openapi.json"}
    assert set(readme) - unsaid == set(openapi)
    for call, told in openapi.items():
        assert readme[call] == told, call
