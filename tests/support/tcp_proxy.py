"""A TCP proxy that can be cut: then it discards all bytes without closing a connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """A proxy in front of a server. While `deaf`, it accepts everything and forwards nothing, in either direction."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._wires: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._heard = asyncio.Event()
        self._heard.set()
        self.port = 0

    @property
    def url(self) -> str:
        names, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{names}{at}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        self._heard.clear()

    def mend(self) -> None:
        self._heard.set()

    def point_at(self, url: str) -> None:
        """Connect to another server from now on, and close the present connections."""
        self._target = self._target._replace(netloc=urlsplit(url).netloc)
        self.hang_up()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._heard.wait()
            there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
            self._writers.add(back)
            try:
                async with asyncio.TaskGroup() as group:
                    for source, sink in ((reader, back), (there, writer)):
                        self._wires.add(wire := group.create_task(self._carry(source, sink)))
                        wire.add_done_callback(self._wires.discard)
            finally:
                self._writers.discard(back)
                back.close()
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._heard.wait()
            sink.write(data)
            await sink.drain()
        sink.close()


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    made = Proxy(url)
    serving: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(task := asyncio.create_task(made._serve(reader, writer)))
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()
