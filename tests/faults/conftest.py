"""One house for each module: a fault that it does not recover from is seen by the test after it."""

from collections.abc import Iterator

import pytest

from tests.support.fault_stack import Stack, standing


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two API processes and no worker yet, with the SETTINGS of the module, if it has any."""
    with standing(tmp_path_factory.mktemp("house")) as stack:
        stack.service.environ |= getattr(request.module, "SETTINGS", {})
        stack.add_api()
        stack.add_api()
        stack.wait()
        yield stack


@pytest.fixture
def stack(house: Stack) -> Iterator[Stack]:
    house.wait()
    yield house
    house.service.close_clients()


@pytest.fixture
def mailing(stack: Stack) -> Iterator[Stack]:
    """Two workers, and a postbox that behaves again afterwards."""
    while len(stack.workers) < 2:
        stack.add_worker()
    yield stack
    stack.box.behave()
