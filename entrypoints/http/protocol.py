"""HTTP/1.1 by uvicorn and httptools, with limits for each client.

uvicorn parses whatever arrives. It has no limit on the size of a head, on pipelined requests, on the time that a
client takes to send a request or to read its answer, or on connections (`limit_concurrency` counts complete heads).

The application answers what is refused here, with a problem document, a log line and a count as for any other
refusal: the request's state has a `RefusedByServer` under "refused".
"""

import math
from asyncio import Transport
from typing import Any, ClassVar, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from domain.client_info import ClientInfo
from entrypoints.http.bounds import (
    HEAD_LIMIT,
    HEAD_SECONDS,
    HEADERS,
    LONG_HEADERS,
    LONG_TARGET,
    NOT_HTTP,
    READ_SECONDS,
    REQUEST_SECONDS,
    RefusedByServer,
)
from entrypoints.http.connections import Connections
from entrypoints.http.flow import Flow, HalfClosing

DISCARDED = 2**20
"""Bytes that a refused client may still send. Closing earlier would reset the connection, which may destroy a
response that the client has not read yet (RFC 9112 section 9.6)."""

_PIECE = 4096
"""Bytes that are parsed at a time."""

_TICK = 1.0
"""Seconds between two checks of a connection's time limits."""


class BoundedHttpProtocol(HttpToolsProtocol):
    _connections: ClassVar[Connections] = Connections()
    """The connections of this process."""

    flow: Flow
    _client = ""
    _refused = False
    _in_body = False
    _size = 0
    """Bytes of the current request without its body, which the application limits."""
    _waited = 0.0
    """Seconds for which the current request has been incomplete."""
    _unread_since = math.inf

    # -- connections -------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = Flow(transport)
        self.on_message_begin()  # there is always a current request, so that it can be refused
        self._timer = self.loop.call_later(_TICK, self._check_time)
        self._client = ClientInfo(ip=self.client[0]).network if self.client else ""
        self._connections.add(self, self._client, may_have_all=self._is_proxy())

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._timer.cancel()
        self._connections.remove(self, self._client)
        self.flow.unparsed = b""

    def _is_proxy(self) -> bool:
        return self.client is not None and self.app_state["is_proxy"](self.client[0])

    @property
    def waits_for_client(self) -> bool:
        cycle = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body or self.flow.write_paused

    def drop(self) -> None:
        self._connections.remove(self, self._client)
        self.transport.abort()

    # -- time --------------------------------------------------------------------------------------------

    def _check_time(self) -> None:
        now = self.loop.time()
        head = self.cycle is None or (self._size > 0 and self.cycle.response_complete)
        if (head or self._in_body) and not (self._refused or self.flow.read_paused):  # else the client waits for us
            self._waited += _TICK
        late = self._waited > (REQUEST_SECONDS if self._in_body else HEAD_SECONDS)
        if late or now - self._unread_since > READ_SECONDS:
            self.drop()
            return
        if self.transport.is_closing():  # the client has not read the last response completely
            self._unread_since = min(self._unread_since, now)
        self._timer = self.loop.call_later(_TICK, self._check_time)

    def pause_writing(self) -> None:
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._unread_since = math.inf
        super().resume_writing()

    # -- size --------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._size += len(data)
            if self._size > DISCARDED and self.cycle.response_complete:
                self.drop()
            elif self._size > DISCARDED:
                self.flow.pause_reading()
            return
        self._parse(self.flow.unparsed + data)

    def _parse(self, data: bytes) -> None:
        """Parse until a pipelined request waits. A piece ends after a head, so that few requests are parsed at a
        time."""
        start = 0
        while start < len(data) and not (self.pipeline or self._refused or self.transport.is_closing()):
            end = data.find(b"\r\n\r\n", start, start + _PIECE) + 4
            end = min(end if end > start else start + _PIECE, len(data))
            self._size += end - start
            if self.timeout_keep_alive_task is not None:
                self.timeout_keep_alive_task.cancel()
                self.timeout_keep_alive_task = None
            self._feed(data[start:end])
            start = end
            if self._is_too_large() and not self._refused:
                self._refuse(self._too_large())
        self.flow.unparsed = b"" if self._refused else data[start:]
        if self.flow.unparsed:
            self.flow.pause_reading()

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except HttpParserError as error:
            self.send_400_response(str(error))
        except HttpParserUpgrade as offer:
            self._decline(piece[offer.args[0] :])

    def _decline(self, rest: bytes) -> None:
        """Parse a head again without its Upgrade header, and then the rest. A server may ignore the header (RFC 9110
        section 7.8). Java's HttpClient offers HTTP/2 with every first request, and httptools would take the body of
        such a request for the new protocol or for another request."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._feed(b"\r\n".join([*lines, b"", rest]))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete:
            self._size = HEAD_LIMIT - DISCARDED
        if self.flow.unparsed and not self.transport.is_closing():
            data, self.flow.unparsed = self.flow.unparsed, b""
            self._parse(data)
            if not self.pipeline:
                self.flow.resume_reading()

    def on_headers_complete(self) -> None:
        if self._is_too_large() or self.parser.get_method() == b"CONNECT":
            raise ValueError  # the parser stops, and `send_400_response` is called
        if self.parser.should_upgrade():
            return  # the same head comes again without the offer
        super().on_headers_complete()
        self.headers = []  # so that trailers are not added to the headers that the application sees
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        if not self.cycle.response_complete:
            self._size -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._size, self._in_body, self._waited = 0, False, 0.0

    def _is_too_large(self) -> bool:
        return self._size > HEAD_LIMIT * (1 + self._in_body) or len(self.headers) > HEADERS

    def _too_large(self) -> RefusedByServer:
        return LONG_TARGET if not self._in_body and len(self.url) > HEAD_LIMIT // 2 else LONG_HEADERS

    # -- refusals ----------------------------------------------------------------------------------------

    def send_400_response(self, _: str) -> None:
        """Called by uvicorn when the parser fails."""
        self._refuse(self._too_large() if self._is_too_large() else NOT_HTTP)

    def _refuse(self, refusal: RefusedByServer) -> None:
        """Refuse the current request after answering those before it. Then close, and ignore further data."""
        self._refused, self._size = True, 0
        if self._in_body:
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True  # wakes a handler that waits for the rest of the body
            self.cycle.message_event.set()
            if self.pipeline:
                self.pipeline.popleft()
            else:
                self.cycle.response_complete = True
        method = self.parser.get_method().decode() if self.url else "-"
        self.url = b"/"
        self.scope = {**self.scope, "state": self.app_state | {"refused": refusal}}
        super().on_headers_complete()
        self.scope["method"] = method
        self.cycle.keep_alive = False
        self.cycle.transport = cast("Transport", HalfClosing(self.transport))
        self.flow.resume_reading()
