"""A service for third-party clients, and the settings that they need."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest

from tests.entrypoints.conftest import databases, service, started
from tests.support.programs import program
from tests.support.service import PASSWORD, ROOT, DatabaseFactory, Service

__all__ = ["databases", "service"]

HERE = Path(__file__).parent
PYTHON = ROOT / ".venv-clients" / "bin" / "python"

Run = Callable[..., str]


AUDIENCE = "http://testserver"
"""The audience of Django's test client. Resource servers refuse tokens for another audience (RFC 8707)."""


@pytest.fixture(scope="session")
def shared_service(databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"), *databases())
    service.environ["LATCHKEY_AUDIENCE"] = AUDIENCE
    with started(service):
        yield service


@pytest.fixture
def environ(service: Service) -> dict[str, str]:
    """The URL of the service, a user, and the credentials of a client."""
    client_id, secret = service.credentials("journey")
    login = service.user("journey")
    token = service.client().log_in(login).pair["access_token"]
    return {
        "LATCHKEY_URL": service.url,
        "LOGIN": login,
        "PASSWORD": PASSWORD,
        "CLIENT_ID": client_id,
        "CLIENT_SECRET": secret,
        "ALGORITHM": jwt.get_unverified_header(token)["alg"],
    }


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Runs a client program, asserts that it succeeds, and returns its output."""

    def run(*command: object, folder: Path) -> str:
        finished = subprocess.run(
            list(map(str, command)),
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "CI": "true", **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout

    return run


@pytest.fixture(scope="session")
def node() -> Path:
    """The folder with the installed npm packages."""
    npm, folder = program("npm"), HERE / "node"
    subprocess.run([npm, "ci", "--silent"], cwd=folder, check=True)
    return folder
