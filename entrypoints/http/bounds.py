"""Limits of the HTTP server for one client, in bytes, seconds and connections."""

import resource
from functools import cache
from typing import NamedTuple

HEAD_LIMIT = 16 * 1024
"""Bytes of a request line and its headers, and as much again for the framing and trailers of a chunked body. A head
that arrives in one piece with the end of the previous body may be larger by that piece."""

HEADERS = 100
"""Header lines, because a short line takes many times its bytes in memory."""

HEAD_SECONDS = 10
"""Seconds from the connection, or the first byte of a further request, to the end of the head."""

REQUEST_SECONDS = 30
"""Seconds from the end of the head to the end of the body."""

READ_SECONDS = 30
"""Seconds after which a connection is dropped if its client does not read the response."""

CONNECTIONS = 4096
"""Connections of one process, if the limit on open files allows it."""

SHARE = 4
"""A client gets at most 1/SHARE of the connections. A client is an IPv4 address, or the /64 of an IPv6 address."""


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
    """Half of the allowed files. The others are for the accept queue (a quarter, see `backlog`), database and
    Redis."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 2)
