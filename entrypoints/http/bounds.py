"""What one client can make the HTTP server hold, in bytes, seconds and connections."""

import resource
from functools import cache
from typing import NamedTuple

HEAD_LIMIT = 16 * 1024
"""Bytes of a request line and its headers; as much again for the framing and the trailers of a chunked body. A head
that was parsed in one piece with the end of a body before it may have a piece more."""

HEADERS = 100
"""Header lines: in memory a short one takes many times its bytes."""

HEAD_SECONDS = 10
"""From the connection, or the first byte of a further request, to the end of its head."""

REQUEST_SECONDS = 30
"""From there to the end of the body."""

READ_SECONDS = 30
"""For a client that does not read an answer."""

CONNECTIONS = 4096
"""Of one process, if the limit on open files allows it."""

SHARE = 4
"""One client (an IPv4 address, or the /64 of an IPv6 address) has at most this part of all connections."""


class RefusedByServer(NamedTuple):
    code: str
    detail: str
    status: int


NOT_HTTP = RefusedByServer("malformed", "This is not an HTTP/1.1 request (RFC 9112).", 400)
_LIMITS = f"The request line and headers are limited to {HEAD_LIMIT} bytes and {HEADERS} header lines."
LONG_TARGET = RefusedByServer("too_large", _LIMITS, 414)
LONG_HEADERS = RefusedByServer("too_large", _LIMITS, 431)


@cache
def connection_limit() -> int:
    """Half of the files are for the accept queue (a quarter, see `backlog`), the database, Redis and the rest."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2)
