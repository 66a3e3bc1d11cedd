"""A service and a browser for the journeys of a module."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.entrypoints.conftest import browsers, databases, shared_service, started
from tests.support.browser import Browser
from tests.support.person import Person
from tests.support.programs import program
from tests.support.service import DatabaseFactory, Service

__all__ = ["browsers", "databases", "shared_service"]

# Browsers report each answer of 400 and above, which the pages of refusals have, and each framing that is refused.
_EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d|frame-ancestors 'none'")


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """A module whose service has settings of its own replaces this."""
    return {}


@pytest.fixture(scope="module")
def service(
    settings: dict[str, str], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    if not settings:
        shared: Service = request.getfixturevalue("shared_service")
        yield shared
        shared.close_clients()
        return
    databases: DatabaseFactory = request.getfixturevalue("databases")
    own = Service(tmp_path_factory.mktemp("service"), *databases(), processes=1)
    own.environ |= settings
    with started(own):
        yield own
        own.close_clients()


@pytest.fixture
def person(service: Service, browsers: Browser) -> Iterator[Person]:
    """A person at a browser without cookies. At the end, the browser has nothing to complain about, and has asked no
    other server for anything."""
    browsers.complaints()
    browsers.requests()
    own = f"{service.url}/"
    someone = Person(service, browsers)
    yield someone
    someone.leave()
    assert [text for text in browsers.complaints() if not _EXPECTED.search(text)] == []
    assert {url for url in browsers.requests() if url.startswith("http") and not url.startswith(own)} == set()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which finds faults of accessibility."""
    npm, folder = program("npm"), Path(__file__).parent / "node"
    subprocess.run([npm, "ci", "--silent"], cwd=folder, check=True)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()
