"""One connection to Redis: commands run one after another, and each answers in time or fails.

redis-py's client does as much again for each command as sending it takes; this speaks to its connections directly.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from adapters.redis_connections import connection

Command = Sequence[str | bytes | int]

IDLE = 1.0
"""Seconds after which a connection may have been closed meanwhile, and is looked at before it is used."""


_pack: Callable[[Any], bytes] = pack_command  # whose types know commands of one word alone


class RedisLine:
    """`deadline` is in seconds; `met` is told of each connection that is made, and greets the server on it. Raises
    RedisError or OSError, after which the next command is sent on another connection."""

    def __init__(
        self, url: str, *, deadline: float, met: Callable[[AbstractConnection], Awaitable[None]] | None = None
    ) -> None:
        self._connection: Any = connection(url, deadline=deadline, redis_connect_func=met)
        self._deadline = deadline
        self._turn = asyncio.Lock()
        self._used = -math.inf

    async def __call__(self, *command: str | bytes | int) -> Any:
        [answer] = await self.all(command)
        return answer

    async def all(self, *commands: Command) -> list[Any]:
        """Sent together. Raises the first error that is among the answers, once all are there."""
        line, now = self._connection, asyncio.get_running_loop().time
        async with self._turn, asyncio.timeout(self._deadline):
            if now() > self._used + IDLE:
                await self._look()
            await line.send_packed_command(b"".join(map(_pack, map(tuple, commands))), check_health=False)
            answers = [await self._answer() for _ in commands]
            self._used = now()
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    async def hang_up(self) -> None:
        """The next command looks up the address of Redis again."""
        async with self._turn:
            await self._connection.disconnect(nowait=True)

    async def _look(self) -> None:
        """One that has been closed, or says something unasked, is given up."""
        try:
            fit = not (self._connection.is_connected and await self._connection.can_read())
        except (RedisError, OSError):
            fit = False
        if not fit:
            await self._connection.disconnect(nowait=True)

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error
