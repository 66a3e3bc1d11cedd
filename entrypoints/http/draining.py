"""Graceful shutdown without connection resets: accepted connections are answered, and no new ones are accepted.

The kernel finishes handshakes by itself, and resets connections that are not accepted when the listening socket is
closed. So new SYN packets are dropped first (clients retry after a second and are refused), then queued connections
are accepted and the socket is closed. A connection without a request gets a moment to send one (RFC 9112, section
9.6).

Before that, readiness fails for LATCHKEY_DRAIN_SECONDS while all requests are still served, so that load balancers
remove the server.
"""

import asyncio
import ctypes
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from entrypoints.health import shutting_down
from entrypoints.http.protocol import BoundedHttpProtocol

HANDSHAKE = 0.1
"""Seconds after which connections from before the stop have been accepted."""

QUEUE = 5
"""Seconds for accepting the connections in the queue."""

MOMENT = 0.5
"""Seconds that a connection without a request gets for one."""

_SO_ATTACH_FILTER = 26
"""Linux, include/uapi/asm-generic/socket.h."""

_FLAGS, _SYN, _SYN_OR_ACK = 13, 0x02, 0x12  # RFC 9293, section 3.1
_NO_NEWCOMERS = (  # classic BPF: code, jump if true, jump if false, operand
    (0x30, 0, 0, _FLAGS),
    (0x54, 0, 0, _SYN_OR_ACK),
    (0x15, 0, 1, _SYN),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


DRAINING = signal.SIGUSR1
"""What the supervisor sends to its processes when readiness has to fail."""


def serve(config: Config, *, drain: float = 0) -> None:
    """Until it is told to stop, and `drain` seconds longer; raises SystemExit if it cannot start."""
    if config.workers > 1:
        _Supervisor(config, [config.bind_socket()], drain=drain).run()
        return
    config.load_app()  # before signal handlers are installed: a signal meanwhile stops the process at once
    server = _Server(config, drain=drain)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class DrainingHttpProtocol(BoundedHttpProtocol):
    """Says with its last answer that it is the last, and waits a moment for a request that may be under way."""

    leaving = False

    def shutdown(self) -> None:
        self.leaving = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(MOMENT, super().shutdown)
        elif not self.cycle.response_started:  # else its head has promised to go on, and the next answer is the last
            self.cycle.keep_alive = False

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False


def fail_readiness_on_signal() -> None:
    """In a process of several, whose supervisor is the one that is told to stop."""
    signal.signal(DRAINING, lambda *_: shutting_down.set())


class _Server(Server):
    def __init__(self, config: Config, *, drain: float) -> None:
        super().__init__(config)
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        shutting_down.set()
        listeners = [listener for server in self.servers for listener in server.sockets]
        for pause in chain(_until_drained(self._drain), _until_nobody_comes(listeners)):
            await asyncio.sleep(pause)
            if self.force_exit:
                break
        await super().shutdown(sockets)


class _Supervisor(Multiprocess):
    """Its processes share one door. One that is replaced closes its own copy, and the others go on."""

    def __init__(self, config: Config, sockets: list[socket.socket], *, drain: float) -> None:
        super().__init__(config, sockets)
        self._drain = drain

    def terminate_all(self) -> None:
        self._drain_processes()
        for pause in _until_nobody_comes(self.sockets):
            time.sleep(pause)
            if not any(process.process.is_alive() for process in self.processes):
                break  # no process accepts connections any more
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def _drain_processes(self) -> None:
        """Wait until the time is over, all processes have ended, or a second signal (SIGINT) asks not to wait."""
        if self._drain:
            for pid in (process.pid for process in self.processes if process.process.is_alive()):
                if pid is not None:
                    os.kill(pid, DRAINING)
        for pause in _until_drained(self._drain):
            time.sleep(pause)
            if signal.SIGINT in self.signal_queue or not any(child.process.is_alive() for child in self.processes):
                break


def _until_drained(seconds: float) -> Iterator[float]:
    """Seconds to wait, repeatedly."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield HANDSHAKE


def _until_nobody_comes(listeners: Sequence[socket.socket]) -> Iterator[float]:
    """Seconds to wait, repeatedly, while other processes accept the remaining connections."""
    _ignore_newcomers(listeners)
    yield HANDSHAKE
    queues, give_up = select.poll(), time.monotonic() + QUEUE
    for listener in listeners:
        queues.register(listener.fileno(), select.POLLIN)
    # A socket that does not listen yet is reported as broken.
    while any(what & select.POLLIN for _, what in queues.poll(0)) and time.monotonic() < give_up:
        yield HANDSHAKE / 10


def _ignore_newcomers(listeners: Sequence[socket.socket]) -> None:
    """Only Linux can; elsewhere a new connection may be reset."""
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _NO_NEWCOMERS)
    kept = ctypes.create_string_buffer(program, len(program))
    given = struct.pack("HP", len(_NO_NEWCOMERS), ctypes.addressof(kept))
    for listener in listeners:
        # The loop's own socket objects cannot be told anything.
        with suppress(OSError), socket.fromfd(listener.fileno(), listener.family, listener.type) as door:
            door.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, given)
