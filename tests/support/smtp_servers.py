"""SMTP servers of tests: one follows a script, and one is correct."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

DROP = "drop"
STALL = "stall"
DRIP = "drip"


@dataclass
class Script:
    """Replies by verb (`.` is the end of the mail), and the received lines. A reply may also be a misbehaviour, or
    end with DROP. `enough` is the reply to MAIL on a connection that has already sent `most` mails."""

    answers: dict[str, str] = field(default_factory=dict)
    most: int | None = None
    enough: str = ""
    heard: list[str] = field(default_factory=list)
    letters: list[bytes] = field(default_factory=list)
    port: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has begun to STALL or DRIP."""
    awaited: dict[str, asyncio.Event] = field(default_factory=dict)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            self.left.set()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {"HI": "220 hello", "DATA": "354 go on", "QUIT": "221 bye"}
        verb, brought = "HI", 0
        while True:
            answer = self.answers.get(verb, usual.get(verb, "250 fine"))
            if verb == "MAIL" and brought == self.most:
                answer = self.enough
            if answer.endswith(DROP):
                writer.write(answer.removesuffix(DROP).encode())
                return
            while answer in {STALL, DRIP}:
                self.silent.set()
                if answer == DRIP:
                    writer.write(b"2")
                if await self._gone(reader, 0.02):
                    return
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
            if verb == "DATA" and answer.startswith("354"):
                self.letters.append(await reader.readuntil(b"\r\n.\r\n"))
                verb, brought = ".", brought + 1
                continue
            line = await reader.readline()
            if not line:
                return
            self.heard.append(line.decode(errors="replace").removesuffix("\r\n"))
            verb = self.heard[-1].partition(" ")[0].upper()
            if verb in self.awaited:
                self.awaited[verb].set()

    async def _gone(self, reader: asyncio.StreamReader, timeout: float) -> bool:
        try:
            return await asyncio.wait_for(reader.read(1), timeout) == b""
        except TimeoutError:
            return False


@asynccontextmanager
async def scripted(**answers: str) -> AsyncIterator[Script]:
    script = Script({verb.replace("END", "."): answer for verb, answer in answers.items()})
    server = await asyncio.start_server(script, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    async with server:
        yield script


@dataclass
class Inbox:
    """The mails and logins that the correct server received."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 kept"

    def login(self, *details: object) -> AuthResult:
        password = details[-1]
        assert isinstance(password, LoginPassword)
        self.logins.append((password.login, password.password))
        return AuthResult(success=password.password == b"right one")


@asynccontextmanager
async def honest(
    *, starttls: ssl.SSLContext | None = None, implicit: ssl.SSLContext | None = None, login: bool = False
) -> AsyncIterator[Inbox]:
    inbox, loop = Inbox(), asyncio.get_running_loop()

    def speak() -> SMTP:
        return SMTP(
            inbox,
            hostname="localhost",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=inbox.login if login else None,
            auth_required=login,
            auth_require_tls=implicit is None,
            loop=loop,
        )

    server = await loop.create_server(speak, "127.0.0.1", 0, ssl=implicit)
    inbox.port = server.sockets[0].getsockname()[1]
    async with server:
        yield inbox
