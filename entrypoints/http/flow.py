"""Flow control of a connection, where it differs from uvicorn's."""

from asyncio import Transport

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """Reads no further while there are bytes that are not parsed."""

    unparsed = b""

    def resume_reading(self) -> None:
        if not self.unparsed:
            super().resume_reading()


class HalfClosing:
    """The transport of a refused connection. Closes the writing side; uvicorn closes the rest after its keep-alive
    time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.write, self.is_closing = transport.write, transport.is_closing

    def close(self) -> None:
        if not self.is_closing():
            self._transport.write_eof()
