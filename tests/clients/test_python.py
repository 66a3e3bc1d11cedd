"""Python libraries that verify and introspect tokens, a generated client, and a fuzzer."""

from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import HERE, PYTHON, Run
from tests.support.service import Service

LIBRARIES = ("pyjwt", "joserfc", "authlib", "python_jose", "django_oauth_toolkit")


@pytest.mark.parametrize("library", LIBRARIES)
def test_python_library_accepts_tokens_until_logout(run: Run, library: str) -> None:
    assert run(PYTHON, f"{library}_client.py", folder=HERE / "python").split() == ["ok"]


@pytest.fixture
def document(tmp_path: Path, environ: dict[str, str]) -> Path:
    path = tmp_path / "openapi.json"
    path.write_bytes(httpx.get(f"{environ['LATCHKEY_URL']}/openapi.json").content)
    return path


def test_openapi_python_client_walks_the_journey(run: Run, document: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    command = (PYTHON, "-m", "openapi_python_client", "generate", "--path", document, "--output-path", made)
    run(
        *command,
        "--meta",
        "none",
        "--config",
        HERE / "python" / "generator.yaml",
        "--fail-on-warning",
        folder=tmp_path,
    )
    (tmp_path / "packages").mkdir()
    made.rename(tmp_path / "packages" / "latchkey_client")
    assert run(PYTHON, "generated_client.py", tmp_path / "packages", folder=HERE / "python").split() == ["ok"]


def test_schemathesis_finds_no_problem(service: Service, run: Run) -> None:
    """All checks, as an admin and as an introspecting client, without the calls that would end the session."""
    document = f"{service.url}/openapi.json"
    options = ("run", document, "--checks", "all", "--max-examples", "20", "--seed", "1")
    schemathesis, folder = PYTHON.with_name("st"), HERE / "python"
    apart = "^/v1/(logout|introspect|revoke)|^/v1/(me|password/change)$"
    bearer = f"Authorization: {service.admin().headers['Authorization']}"
    run(schemathesis, *options, "--exclude-path-regex", apart, "-H", bearer, folder=folder)
    basic = ":".join(service.credentials("fuzzer"))
    run(schemathesis, *options, "--include-path-regex", "^/v1/(introspect|revoke)", "--auth", basic, folder=folder)
