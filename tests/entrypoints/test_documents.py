"""The guides and the service describe the same calls and settings."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from entrypoints.http.endpoint import PAGE
from entrypoints.http.guard import Fresh, policy_of
from entrypoints.settings import load
from entrypoints.settings.settings import table
from tests.support.documents import API, INTEGRATING, OPERATIONS, blocks
from tests.support.service import ROOT, Service, eventually, unique_email

_CALL = re.compile(r"`(GET|POST|PATCH|DELETE) (/[^`?]*)(?:\?([^`]*))?`")
_ID = re.compile(r"\{[a-z_]+\}")
_ROLES = {"verified": "member"}
_FIELD = re.compile(r"(optional )?`([a-z_]+)`")


@dataclass(frozen=True)
class Operation:
    """A call as a document describes it: access, parameters, and the `status` of a success."""

    caller: bool
    role: str | None
    fields: frozenset[tuple[str, bool]]
    query: frozenset[str]
    status: int


def operations_of_guide() -> Iterator[tuple[str, Operation]]:
    text = API.read_text()
    table = text[text.index("## Calls") :].split("\n## ", 2)[0]
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        names = _CALL.findall(cells[0])
        for method, path, query in names:
            who, _, body = cells[1].rpartition(";") if ";" in cells[1] else ("", "", cells[1])
            if "bearer" in cells[1] and not who:
                who, body = cells[1], ""
            role = re.search(r"moderator|admin|verified", who)
            fields = frozenset((name, not optional) for optional, name in _FIELD.findall(body))
            query_fields = frozenset(re.findall(r"([a-z_]+)=", query))
            status_match = re.match(r"\d+", cells[2])
            status = int(status_match[0]) if status_match else 200
            operation = Operation(
                "bearer" in who, _ROLES.get(role[0], role[0]) if role else None, fields, query_fields, status
            )
            yield f"{method} {_ID.sub('{id}', path)}", operation


def operations_of_openapi(schema: dict[str, Any]) -> Iterator[tuple[str, Operation]]:
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
                Operation(bearer, operation.get("x-required-role"), frozenset(fields), query, good),
            )


def test_the_guide_and_openapi_describe_the_same_calls(service: Service) -> None:
    guide = dict(operations_of_guide())
    openapi = dict(operations_of_openapi(service.client().get("/openapi.json").json()))
    unsaid = {"GET /docs", "GET /openapi.json"}
    assert set(guide) - unsaid == set(openapi)
    for call, operation in openapi.items():
        assert guide[call] == operation, call


def test_the_guide_says_which_calls_need_a_fresh_authentication(application: Litestar) -> None:
    words = {Fresh.ALWAYS: "fresh", Fresh.WITH_FACTOR: "fresh with a factor"}
    declared = {
        f"{method} {_ID.sub('{id}', route.path_format)}": words[policy.fresh]
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if not handler.opt.get(PAGE)
        if (policy := policy_of(handler)) is not None and policy.fresh in words
        for method in handler.http_methods
    }
    rows = re.findall(r"^\| `(\w+ /[^`]*)` \| bearer[^|;]*?, (fresh[^;|]*)", API.read_text(), re.MULTILINE)
    assert {call: word.strip() for call, word in rows} == declared


def test_environment_file_needs_no_quotes_or_expansion(tmp_path: Path) -> None:
    """Each line is a literal `NAME=value`, without quotes, expansion or `export`."""
    text = OPERATIONS.read_text()
    lines = text[text.index("(umask 077; cat") :].split("\nmkdir ", 1)[0]
    assert lines.splitlines()[-1].startswith("set -a; . ")
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-euc", f"{lines}\nenv"], env=environ, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    file = tmp_path / "latchkey.env"
    assert file.stat().st_mode & 0o777 == 0o600
    written = dict(line.split("=", 1) for line in file.read_text().splitlines())
    in_shell = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("LATCHKEY_"))
    assert in_shell == written
    assert all(re.fullmatch(r"[A-Za-z0-9:/@._+-]+", value) for value in written.values())
    keys = tmp_path / "latchkey-keys"
    keys.mkdir()
    Path(written["LATCHKEY_ENCRYPTION_KEYS_FILE"]).write_text(token_hex(32))
    rotate = [sys.executable, "-m", "entrypoints.cli", "keys", "rotate"]
    subprocess.run(rotate, env=written, cwd=ROOT, capture_output=True, check=True)
    settings = load(written, default_env="production", mails=True)
    assert settings.public_url == "https://accounts.example.org"


def test_first_journey_and_service_client_work_as_written(service: Service, tmp_path: Path) -> None:
    register, journey, admin = blocks(ROOT / "README.md")
    [client] = [it for it in blocks(INTEGRATING) if "clients add" in it]
    databases = {
        "http://localhost:8000": service.url,
        ".venv/bin/python": shlex.quote(sys.executable),
        "ada@example.org": unique_email(),
    }
    script = "\n".join([register, journey, admin, client])
    for example, place in {**databases, "admin@example.org": unique_email()}.items():
        assert example in script, example
        script = script.replace(example, place)
    done = subprocess.run(
        ["sh", "-eu"],
        input=script.replace("--verified", "--verified <<END\na long walk to the lighthouse\nEND"),
        env={**os.environ, **service.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = ("verification_sent", '"username":null', "HTTP/1.1 204", "token_revoked", '"active":true', "200")
    places_found = [done.stdout.find(text) for text in expected]
    assert -1 not in places_found, done.stdout
    assert done.stdout.endswith("200\n"), done.stdout


DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests" / "README.md"]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_FOLDERS = "domain|application|adapters|entrypoints|migrations|tests|docs"
_PATH = re.compile(rf"`((?:{_FOLDERS})/[\w./-]+\.(?:py|md|txt|html))`")


@pytest.mark.parametrize("document", [it for it in DOCUMENTS if it.name != "CHANGELOG.md"], ids=str)
def test_links_and_paths_in_documents_exist(document: Path) -> None:
    text = document.read_text()
    missing = [link for link in _LINK.findall(text) if not (document.parent / link).exists()]
    missing += [path for path in _PATH.findall(text) if "nickname" not in path and not (ROOT / path).exists()]
    assert missing == []


def test_the_table_of_settings_is_generated_from_their_rows() -> None:
    """`python -m entrypoints.settings` prints it."""
    assert f"\n\n{table()}\n" in OPERATIONS.read_text()


def test_metrics_named_in_the_guide_exist(service: Service) -> None:
    named = set(
        re.findall(r"latchkey_(?:dependency|errors|logins|outbox|password|revocations)\w*", OPERATIONS.read_text())
    )
    assert len(named) >= 7
    eventually(lambda: named <= set(re.findall(r"latchkey_\w+", service.client().get("/metrics").text)))
