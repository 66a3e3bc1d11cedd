"""The open connections of one process, shared fairly between clients."""

from collections.abc import Iterable
from typing import Protocol

from entrypoints.http.bounds import SHARE, connection_limit


class Connection(Protocol):
    @property
    def waits_for_client(self) -> bool: ...

    def drop(self) -> None: ...


class Connections:
    """Drops the oldest connection that waits for its client if there are too many."""

    def __init__(self) -> None:
        self._all: dict[Connection, None] = {}
        """Oldest first. The connections of each client have the same order."""
        self._by_client: dict[str, dict[Connection, None]] = {}

    def add(self, connection: Connection, client: str, *, may_have_all: bool) -> None:
        """`may_have_all` is for a trusted proxy, whose connections are those of many clients."""
        own = self._by_client.setdefault(client, {})
        own[connection] = self._all[connection] = None
        if len(own) > connection_limit() // SHARE and not may_have_all:
            _make_room(own)
        if len(self._all) > connection_limit():
            _make_room(self._all)

    def remove(self, connection: Connection, client: str) -> None:
        self._all.pop(connection, None)
        own = self._by_client.get(client, {})
        own.pop(connection, None)
        if not own:
            self._by_client.pop(client, None)


def _make_room(connections: Iterable[Connection]) -> None:
    """Drop the oldest connection that waits for its client. The newest is one of these."""
    next(connection for connection in connections if connection.waits_for_client).drop()
