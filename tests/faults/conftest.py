"""One stack for each module: the next test notices a fault from which it did not recover."""

from collections.abc import Iterator

import pytest

from tests.support.fault_stack import Stack, fault_stack


@pytest.fixture(scope="module")
def module_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two API processes and no worker yet, with the `SETTINGS` of the module, if any."""
    with fault_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.service.environ |= getattr(request.module, "SETTINGS", {})
        stack.add_api()
        stack.add_api()
        stack.wait()
        yield stack


@pytest.fixture
def stack(module_stack: Stack) -> Iterator[Stack]:
    module_stack.wait()
    yield module_stack
    module_stack.service.close_clients()


@pytest.fixture
def stack_with_mail(stack: Stack) -> Iterator[Stack]:
    """With two workers; the SMTP server is reset afterwards."""
    while len(stack.workers) < 2:
        stack.add_worker()
    yield stack
    stack.smtp.reset()
