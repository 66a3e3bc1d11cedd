"""The whole service as separate processes, for tests that use it as any client does."""

import asyncio
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import httpx

from domain.role import Role
from entrypoints.container import Container, close
from entrypoints.settings import load
from tests.support.operator_commands import run_command

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a perfectly fine passphrase"
_TOKEN = re.compile(r"/(?:verify|reset|email|invitation)\?token=([A-Za-z0-9._~-]+)")

T = TypeVar("T")


DatabaseFactory = Callable[[], tuple[str, str]]
"""Creates a migrated, empty database and a Redis database; returns their URLs."""


def free_port() -> int:
    """A port below the range of outgoing connections, so that none of these takes it meanwhile."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("", port))
            return port


def eventually(look: Callable[[], T | None], *, within: float = 30) -> T:
    """The first true result of `look`."""
    give_up = time.monotonic() + within
    while True:
        result = look()
        if result:
            return result
        assert time.monotonic() < give_up, f"nothing came of it within {within} s"
        time.sleep(0.05)


def wait_for_growth(count: Callable[[], int], *, by: int = 1, within: float = 30) -> None:
    """Wait until the count has grown by this much."""
    aim = count() + by
    eventually(lambda: count() >= aim, within=within)


def token_in(mail: EmailMessage) -> str:
    """The token of the link in a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    match = _TOKEN.search(body.get_content())
    assert match is not None, body.get_content()
    return match[1]


class ServiceProcess:
    """One process of the service. Its output goes to a file; a process left over at the end is killed by its id."""

    def __init__(
        self, module: str, environ: Mapping[str, str], log: Path, *, root: Path = ROOT, python: str = sys.executable
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [python, "-m", module],
                cwd=root,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Service:
    def __init__(self, folder: Path, database_url: str, redis_url: str, *, processes: int = 2) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.mail_dir = folder / "mail"
        self.environ = {
            "LATCHKEY_ENV": "development",
            "LATCHKEY_DATABASE_URL": database_url,
            "LATCHKEY_REDIS_URL": redis_url,
            "LATCHKEY_DATA_DIR": str(folder / "data"),
            "LATCHKEY_MAIL_DIR": str(self.mail_dir),
            "LATCHKEY_PORT": str(self.port),
            "LATCHKEY_PROCESSES": str(processes),
            "LATCHKEY_RATE_LIMITS": "off",
        }
        self.root, self.python = ROOT, sys.executable
        self._parts: list[ServiceProcess] = []
        self._clients: list[Client] = []

    def start(self, module: str, **environ: str) -> ServiceProcess:
        log = self.folder / f"{module.rsplit('.', 1)[-1]}.log"
        part = ServiceProcess(module, self.environ | environ, log, root=self.root, python=self.python)
        self._parts.append(part)
        return part

    def start_api(self, module: str = "entrypoints.api") -> ServiceProcess:
        api = self.start(module)

        def ready() -> bool:
            assert api.process.poll() is None, api.log.read_text()
            try:
                return httpx.get(f"{self.url}/health/ready").status_code == 200
            except httpx.TransportError:
                return False

        try:
            eventually(ready, within=120)
        except AssertionError:
            raise AssertionError(f"the API did not become ready:\n{api.log.read_text()}") from None
        return api

    def start_worker(self) -> ServiceProcess:
        return self.start("entrypoints.worker")

    def parts(self) -> list[subprocess.Popen[bytes]]:
        """What was started, oldest first."""
        return [part.process for part in self._parts]

    def stop(self) -> None:
        for part in reversed(self._parts):
            part.stop()

    def cli(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = run_command({**os.environ, **self.environ}, *arguments, stdin=stdin.encode())
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    # -- what people do with it ------------------------------------------------------------------------

    def client(self, url: str = "") -> "Client":
        """A client; with `url`, of one of several processes."""
        self._clients.append(Client(self, url))
        return self._clients[-1]

    def close_clients(self) -> None:
        while self._clients:
            self._clients.pop().close()

    def mails(self, recipient: str) -> list[EmailMessage]:
        """Every mail sent to this address, oldest first."""
        mails = []
        for path in sorted(self.mail_dir.glob("*.eml")):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if mail["to"] == recipient:
                mails.append(mail)
        return mails

    def mail(self, recipient: str, number: int = 1) -> EmailMessage:
        """Wait for the nth mail to this address."""
        return eventually(lambda: self.mails(recipient)[number - 1 :] or None)[0]

    def token(self, recipient: str, number: int = 1) -> str:
        """The token of the link in the nth mail to this address."""
        return token_in(self.mail(recipient, number))

    def link(self, path: str, recipient: str) -> str:
        """The path and token of the link to this page in the newest mail that has one."""
        pattern = re.compile(rf"{path}\?token=[A-Za-z0-9._~-]+")

        def find() -> str | None:
            texts = (body.get_content() for mail in self.mails(recipient) if (body := mail.get_body(("plain",))))
            return next((match[0] for text in reversed(list(texts)) if (match := pattern.search(text))), None)

        return eventually(find)

    def admin(self) -> "Client":
        """A new admin, logged in."""
        return self.client().log_in(self.user("admin", role=Role.ADMIN))

    def member(self) -> "Client":
        """A new verified user, logged in."""
        return self.client().log_in(self.user("member"))

    def program(self, name: str = "a program") -> httpx.BasicAuth:
        """The credentials of a new OAuth client."""
        return httpx.BasicAuth(*self.credentials(name))

    def credentials(self, name: str = "a program") -> tuple[str, str]:
        """Id and secret of a new client."""

        async def make(container: Container) -> tuple[str, str]:
            client, secret = await container.add_client()(name=name)
            return str(client.id), secret

        return self._inside(make)

    def user(self, name: str, *, role: Role = Role.MEMBER, username: str | None = None) -> str:
        """The address of a new verified user with PASSWORD, created as by the command line but without a process."""
        email = name if "@" in name else unique_email(name)

        async def make(container: Container) -> None:
            create = container.create_user()
            assert await create(email=email, username=username, role=role, verified=True, password=PASSWORD)

        self._inside(make)
        return email

    def _inside(self, act: Callable[[Container], Awaitable[T]]) -> T:
        """Run what an operator does by the command line, without a process."""

        async def run() -> T:
            container = Container(settings=load(self.environ))
            try:
                return await act(container)
            finally:
                await close(container)

        with ThreadPoolExecutor(1) as elsewhere:  # the caller may have a loop of its own
            return elsewhere.submit(asyncio.run, run()).result()


def unique_email(who: str = "someone") -> str:
    """An address that no other test uses."""
    return f"{who}.{uuid4().hex[:12]}@example.org"


class Client(httpx.Client):
    """A client that remembers its pair of tokens."""

    def __init__(self, service: Service, url: str = "") -> None:
        super().__init__(base_url=url or service.url, timeout=30)
        self.service = service
        self.email = ""
        self.pair: dict[str, str] = {}

    def log_in(self, email: str, password: str = PASSWORD) -> "Client":
        answer = self.post("/v1/login", json={"login": email, "password": password})
        assert answer.status_code == 200, answer.text
        self.email = email
        self.take(answer)
        return self

    def take(self, answer: httpx.Response) -> None:
        self.pair = answer.json()
        self.headers["Authorization"] = f"Bearer {self.pair['access_token']}"

    def renew(self, refresh_token: str | None = None) -> httpx.Response:
        return self.post("/v1/refresh", json={"refresh_token": refresh_token or self.pair["refresh_token"]})


def challenge(request: httpx.Request, document: dict[str, str]) -> str:
    """The required WWW-Authenticate of a 401 (RFC 6750, section 3)."""
    if request.url.path in {"/v1/introspect", "/v1/revoke"}:
        return 'Basic realm="latchkey"'
    if document["code"] == "step_up_required":
        required = "".join(f', {name}="{document[name]}"' for name in ("acr_values", "max_age") if name in document)
        return f'Bearer error="insufficient_user_authentication"{required}'
    if request.url.path != "/v1/refresh" and document["code"] in {"token_invalid", "token_expired", "token_revoked"}:
        return f'Bearer error="invalid_token", error_description="{document["title"]}"'
    return "Bearer"


def code(answer: httpx.Response) -> str:
    """The code of a problem document; checks that the response is a valid one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["type"] == f"/problems/{document['code']}"
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    if answer.status_code == 401:
        assert answer.headers.get_list("www-authenticate") == [challenge(answer.request, document)]
    if answer.status_code in {429, 503}:
        assert document["retry_after"] == int(answer.headers["retry-after"]) > 0
    value: str = document["code"]
    return value
