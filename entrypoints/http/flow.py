"""How a connection is read and closed, where uvicorn does it otherwise."""

from asyncio import Transport

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """Does not read on while there are bytes that the parser has not seen."""

    unparsed = b""

    def resume_reading(self) -> None:
        if not self.unparsed:
            super().resume_reading()


class HalfClosing:
    """Of a connection that was refused: uvicorn closes the rest once its keep-alive time is over."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.write, self.is_closing = transport.write, transport.is_closing

    def close(self) -> None:
        if not self.is_closing():
            self._transport.write_eof()
