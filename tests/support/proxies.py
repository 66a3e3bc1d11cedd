"""Real proxies in front of a listening program, configured as docs/forward-auth.md shows."""

import http.client
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.support.documents import block, with_real_values
from tests.support.programs import program
from tests.support.service import eventually, free_port

AROUND = """daemon off; master_process off; pid nginx.pid; error_log stderr info;
events {{}}
http {{
access_log off;
client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
{}
}}
"""
"""The nginx.conf of a distribution around a site, with all paths in its folder."""


@dataclass
class ReceivedRequest:
    """A request as it arrived at the upstream."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """The value of a header for programs that read every other character in its name as a dash."""
        return [value for key, value in self.headers if _dashed(key) == name.lower()]


def _dashed(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


class Listener:
    """An HTTP server that records every request and sends a given response."""

    def __init__(self) -> None:
        self.heard: list[ReceivedRequest] = []
        self.status, self.body = 200, b"ok"
        self.headers: dict[str, str] = {}
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                listener.heard.append(
                    ReceivedRequest(self.command, self.path, self.headers.items(), b"".join(self._body()))
                )
                self.send_response(listener.status)
                self.send_header("Content-Length", str(len(listener.body)))
                for name, value in listener.headers.items():
                    self.send_header(name, value)
                self.send_header("Connection", "close")  # announced, so that no client reuses a closed connection
                self.end_headers()
                self.wfile.write(listener.body)

            def _body(self) -> Iterator[bytes]:
                yield self.rfile.read(int(self.headers.get("content-length", 0)))
                while "transfer-encoding" in self.headers:
                    size = int(self.rfile.readline(), 16)
                    yield self.rfile.read(size + 2)[:-2]
                    if size == 0:
                        break

            do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = _answer

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that closing waits for responses in progress
        self.port: int = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Proxy:
    name: str
    port: int
    log: Path
    upstream: Listener
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(
        self,
        path: str = "/notes",
        headers: Sequence[tuple[str, str]] = (),
        *,
        method: str = "GET",
        body: bytes | None = None,
        chunked: bool = False,
    ) -> Answer:
        """Send the path unchanged, and each header as often as it is given."""
        named = any(name == "Host" for name, _ in headers)
        self._connection.putrequest(method, path, skip_host=named, skip_accept_encoding=True)
        for name, value in headers:
            self._connection.putheader(name, value)
        if body is not None:
            self._connection.putheader(
                *(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", len(body)))
            )
        self._connection.endheaders(body, encode_chunked=chunked)
        answer = self._connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def close(self) -> None:
        self._connection.close()


@contextmanager
def nginx(folder: Path, *, latchkey: int, port: int | None = None) -> Iterator[Proxy]:
    command = [program("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    port, upstream = port or free_port(), Listener()
    site = with_real_values(
        block("nginx"),
        {
            "127.0.0.1:8000": f"127.0.0.1:{latchkey}",
            ":9000": f":{upstream.port}",
            ":8080": f":{port}",
            "acr=aal2&max_age=300": "max_age=2",  # which a test can wait for
        },
    )
    (folder / "nginx.conf").write_text(AROUND.format(site))
    with _running(Proxy("nginx", port, folder / "nginx.log", upstream), command, folder) as proxy:
        yield proxy


@contextmanager
def caddy(folder: Path, *, latchkey: int, port: int | None = None, host: str = "127.0.0.1") -> Iterator[Proxy]:
    command = [program("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    port, upstream = port or free_port(), Listener()
    site = with_real_values(
        block("caddyfile"),
        {
            "notes.example.org": f"http://{host}:{port}",
            "127.0.0.1:8000": f"127.0.0.1:{latchkey}",
            ":9000": f":{upstream.port}",
        },
    )
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + site)
    with _running(Proxy("caddy", port, folder / "caddy.log", upstream), command, folder) as proxy:
        yield proxy


@contextmanager
def _running(proxy: Proxy, command: list[str], folder: Path) -> Iterator[Proxy]:
    with closing(proxy.upstream), listening(command, folder=folder, log=proxy.log, port=proxy.port), closing(proxy):
        yield proxy


@contextmanager
def listening(command: list[str], *, folder: Path, log: Path, port: int) -> Iterator[None]:
    """Run a server as a process until the end of the block; enters when it listens."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(listens)
        yield
    finally:
        process.terminate()
        process.wait(20)
