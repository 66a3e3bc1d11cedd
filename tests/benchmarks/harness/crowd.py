"""A load generator for calls that depend on earlier responses, which wrk cannot send. It costs little CPU."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


class Caller:
    """One persistent connection, one request at a time."""

    def __init__(self, url: str, *, address: str = "") -> None:
        """`address` is sent as X-Forwarded-For."""
        self._place = urlsplit(url)
        self.address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, body: dict[str, Any] | bytes | None = None, *, token: str = ""
    ) -> tuple[int, bytes]:
        """Status and body of the response. Bytes are sent as a form. Raises OSError or EOFError if the connection
        breaks."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._place.hostname, self._place.port)
        reader, writer = self._streams
        kind = "application/x-www-form-urlencoded" if isinstance(body, bytes) else "application/json"
        sent = json.dumps(body).encode() if isinstance(body, dict) else body or b""
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        content_headers = f"Content-Type: {kind}\r\nContent-Length: {len(sent)}\r\n" if body is not None else ""
        address = f"X-Forwarded-For: {self.address}\r\n" if self.address else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._place.netloc}\r\n{address}{bearer}{content_headers}\r\n"
        writer.write(head.encode() + sent)
        try:
            answer = await reader.readuntil(b"\r\n\r\n")
            lines = answer.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            content = await reader.readexactly(length)
        except (OSError, EOFError):
            self.close()
            raise
        if b"connection: close" in lines:
            self.close()
        return int(answer[9:12]), content

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass(slots=True)
class Crowd:
    """Responses and their times."""

    seconds: float
    answers: Counter[int] = field(default_factory=Counter)
    """By status."""
    times: list[float] = field(default_factory=list)
    """Milliseconds of each successful response."""
    in_time: int = 0
    """How many of these arrived before the end."""
    load: float = 0
    """CPU of the load generator, as a part of one core."""

    @property
    def rate(self) -> float:
        """Successful responses a second."""
        return self.in_time / self.seconds

    @property
    def p99(self) -> float:
        return percentile(self.times, 0.99)

    @property
    def failures(self) -> str:
        """Failed responses in words; empty if there were none."""
        failures = {status: times for status, times in self.answers.items() if not 200 <= status < 300}
        return ", ".join(f"{times} × {status}" for status, times in sorted(failures.items()))


def percentile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else float("inf")


Act = Callable[[Caller], Awaitable[int]]
"""Sends one request and returns the status."""


async def crowd(url: str, acts: Sequence[Act], *, seconds: float) -> Crowd:
    """Repeat each act with its own caller, all concurrently."""
    result = Crowd(seconds)
    started_at, worked = time.perf_counter(), time.process_time()

    async def go_on(act: Act) -> None:
        caller = Caller(url)
        while (sent_at := time.perf_counter()) < started_at + seconds:
            status = await act(caller)
            answered = time.perf_counter()
            result.answers[status] += 1
            if 200 <= status < 300:
                result.times.append((answered - sent_at) * 1000)
                result.in_time += answered <= started_at + seconds
        caller.close()

    await asyncio.gather(*map(go_on, acts))
    result.load = (time.process_time() - worked) / (time.perf_counter() - started_at)
    return result
