"""Graceful shutdown: on SIGTERM readiness turns 503, LATCHKEY_DRAIN_SECONDS pass, then uvicorn stops.

While the process drains, it serves every request, and each answer closes its connection. Then the listener closes and
requests in flight end. A load balancer that probes readiness has removed the server by then; without one, a client
that connects at the moment when the listener closes is reset.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from types import FrameType

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from entrypoints.http.protocol import BoundedHttpProtocol
from entrypoints.observability.health import shutting_down

IDLE_GRACE = 0.5
"""Seconds that an idle connection stays open after the listener has closed, for a request on its way."""

DRAIN = signal.SIGUSR1
"""The signal by which the supervisor makes readiness of its processes fail."""

_CHECK_INTERVAL = 0.1


def serve(config: Config, *, drain_seconds: float = 0) -> None:
    """Return when the server has been stopped. Raises SystemExit if it cannot start."""
    if config.workers > 1:
        _Supervisor(config, [config.bind_socket()], drain_seconds).run()
        return
    config.load_app()  # before signal handlers are installed: a signal meanwhile stops the process at once
    # uvicorn raises the signal again once it has stopped. A server that stops when it should exits with 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server = _Server(config, drain_seconds)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class DrainingHttpProtocol(BoundedHttpProtocol):
    """Announces that a connection closes in the last response (RFC 9112 section 9.6)."""

    _closing = False

    def shutdown(self) -> None:
        self._closing = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(IDLE_GRACE, super().shutdown)
        elif not self.cycle.response_started:  # otherwise the head has announced keep-alive; the next one closes
            self.cycle.keep_alive = False

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.cycle is not None and (self._closing or shutting_down.is_set()):
            self.cycle.keep_alive = False


def fail_readiness_on_signal() -> None:
    """Install the handler of `DRAIN` in a process of a supervisor."""
    signal.signal(DRAIN, lambda *_: shutting_down.set())


class _Server(Server):
    """The only process of a service."""

    def __init__(self, config: Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._forced = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self.force_exit:
            asyncio.get_running_loop().call_soon_threadsafe(self._forced.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        shutting_down.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._forced.wait(), self._drain_seconds)
        await super().shutdown(sockets)


class _Supervisor(Multiprocess):
    """Starts, watches and stops several processes that share a listening socket."""

    def __init__(self, config: Config, sockets: list[socket.socket], drain_seconds: float) -> None:
        super().__init__(config, sockets)
        self._drain_seconds = drain_seconds

    def terminate_all(self) -> None:
        for pid in self._living():
            os.kill(pid, DRAIN)
        end = time.monotonic() + self._drain_seconds
        while time.monotonic() < end and signal.SIGINT not in self.signal_queue and self._living():
            time.sleep(_CHECK_INTERVAL)
        for listener in self.sockets:
            listener.close()  # otherwise it would queue connections that no process accepts
        super().terminate_all()

    def _living(self) -> list[int]:
        return [child.pid for child in self.processes if child.pid is not None and child.process.is_alive()]
