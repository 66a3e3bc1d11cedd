"""The caller whose request this task serves. Adapters share what is scarce (threads that hash, connections to the
database) between callers by it; use cases know nothing of it."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from domain.client_info import ClientInfo


@dataclass(slots=True)
class Caller:
    """`user` is set once the caller is authenticated. `hung_up` returns when the client has disconnected; call it
    only after the request has been read, and once at a time."""

    ip: str = ""
    user: UUID | None = None
    hung_up: Callable[[], Awaitable[None]] | None = None

    @property
    def site(self) -> str:
        return ClientInfo(ip=self.ip).site


_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current_caller() -> Caller | None:
    """None where no request is served: in a worker, at the command line."""
    return _caller.get()


def serve(caller: Caller) -> None:
    """From here on this task serves this caller."""
    _caller.set(caller)
