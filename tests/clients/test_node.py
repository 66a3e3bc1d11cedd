"""Node.js libraries that verify, introspect and revoke tokens, and a client generated from the OpenAPI document."""

from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import Run

LIBRARIES = (
    *("jose", "jsonwebtoken", "express-jwt", "get-jwks", "passport-jwt"),
    *("express-oauth2-jwt-bearer", "oauth4webapi", "openid-client"),
)


@pytest.mark.parametrize("library", LIBRARIES)
def test_node_library_accepts_tokens_until_logout(node: Path, run: Run, library: str) -> None:
    assert set(run("node", f"{library}.mjs", folder=node).split()) == {"ok"}


@pytest.fixture
def document(node: Path, environ: dict[str, str]) -> Path:
    path = node / "openapi.json"
    path.write_bytes(httpx.get(f"{environ['LATCHKEY_URL']}/openapi.json").content)
    return path


def test_openapi_typescript_client_compiles_and_logs_in(node: Path, run: Run, document: Path) -> None:
    run("npx", "openapi-typescript", document.name, "-o", "openapi.d.ts", folder=node)
    run("npx", "tsc", folder=node)
    assert run("node", "built/generated.js", folder=node).split() == ["ok"]


def test_openapi_document_passes_redocly_lint(node: Path, run: Run, document: Path) -> None:
    run("npx", "redocly", "lint", document.name, "--max-problems", "50", folder=node)


def test_openapi_document_passes_spectral_lint(node: Path, run: Run, document: Path) -> None:
    run("npx", "spectral", "lint", document.name, "--fail-severity", "warn", folder=node)
