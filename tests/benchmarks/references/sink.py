"""A mail server that discards mails: `python -m tests.benchmarks.references.sink PORT FILE` writes a line for each
with its time (seconds of the system-wide monotonic clock) and recipient."""

import asyncio
import os
import sys
import time
from typing import cast

import uvloop

OPENED = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Sink(asyncio.Protocol):
    def __init__(self, file: int) -> None:
        self._file = file
        self._heard = b""
        self._recipient = b""
        self._taking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        self._wire.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while True:
            end = b"\r\n.\r\n" if self._taking else b"\r\n"
            line, separator, rest = self._heard.partition(end)
            if not separator:
                return
            self._heard = rest
            if self._taking:
                self._taking = False
                os.write(self._file, b"%.6f %s\n" % (time.monotonic(), self._recipient))
                self._wire.write(b"250 taken\r\n")
            else:
                self._answer(line)

    def _answer(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0]
        if verb == b"DATA":
            self._taking = True
            self._wire.write(b"354 go on\r\n")
        elif verb == b"EHLO":
            self._wire.write(b"250-sink\r\n250 8BITMIME\r\n")
        elif verb == b"QUIT":
            self._wire.write(b"221 bye\r\n")
            self._wire.close()
        else:
            self._wire.write(b"250 fine\r\n")


async def serve(port: int, file: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(file), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    uvloop.run(serve(int(sys.argv[1]), os.open(sys.argv[2], OPENED, 0o600)))


if __name__ == "__main__":
    main()
