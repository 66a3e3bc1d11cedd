"""nginx and Caddy in front of Latchkey itself, configured as docs/operations.md shows."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.documents import block, with_real_values
from tests.support.programs import program
from tests.support.proxies import AROUND, listening
from tests.support.service import PASSWORD, DatabaseFactory, Service, free_port, unique_email

CALLER = "127.0.0.2"
"""Differs from the address of the proxy."""


@dataclass
class Front:
    service: Service
    authority: Authority
    port: int
    plain: int | None
    log: Path

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=20, context=self.authority.trust, source_address=(CALLER, 0)
        )
        with closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Host": "localhost", "Content-Type": "application/json", **named})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def _nginx(folder: Path, upstream: int, port: int, plain: int, pem: Path) -> list[str]:
    site = with_real_values(
        block("nginx accounts.example.org"),
        {
            "/etc/ssl/accounts.example.org.pem": str(pem),
            "/etc/ssl/accounts.example.org.key": str(pem),
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
            "server_name accounts.example.org": "server_name localhost",
        },
    )
    (folder / "nginx.conf").write_text(AROUND.format(site))
    return [program("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]


def _caddy(folder: Path, upstream: int, port: int, plain: int, pem: Path) -> list[str]:
    site = with_real_values(
        block("caddyfile accounts.example.org"),
        {
            "{\n\tservers {": "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {",
            "\naccounts.example.org {": f"\nhttps://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {pem} {pem}",
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        },
    )
    (folder / "Caddyfile").write_text(site)
    return [program("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]


KINDS: dict[str, Callable[[Path, int, int, int, Path], list[str]]] = {"nginx": _nginx, "caddy": _caddy}


@pytest.fixture(scope="module", params=KINDS)
def front(
    request: pytest.FixtureRequest, databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp(request.param)
    service = Service(folder, *databases(), processes=1)
    service.environ |= {"LATCHKEY_TRUSTED_PROXIES": "127.0.0.1", "LATCHKEY_ALLOWED_HOSTS": "localhost,127.0.0.1"}
    service.start_api()
    authority, port, plain = Authority(folder), free_port(), free_port()
    command = KINDS[request.param](folder, service.port, port, plain, authority.certificate("localhost"))
    log = folder / "proxy.log"
    try:
        with listening(command, folder=folder, log=log, port=port):
            yield Front(service, authority, port, plain if request.param == "nginx" else None, log)
    finally:
        service.close_clients()
        service.stop()


def test_caller_has_the_address_seen_by_the_proxy(front: Front) -> None:
    email = front.service.user(unique_email("behind"))
    body = json.dumps({"login": email, "password": PASSWORD}).encode()
    for forged in ("203.0.113.9", "127.0.0.1", "203.0.113.9, 127.0.0.1"):
        said = {"X_Forwarded_For": forged, "Forwarded": f"for={forged}", "X_Real_IP": forged}
        status, headers, answer = front.ask("POST", "/v1/login", body, **said)
        assert status == 200, answer
        assert headers["strict-transport-security"].startswith("max-age=31536000")
        token = json.loads(answer)["access_token"]
        _, _, events = front.ask("GET", "/v1/me/events", Authorization=f"Bearer {token}")
        assert json.loads(events)["items"][0]["ip"] == CALLER


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/metrics/",
        "//metrics",
        "/%6detrics",
        "/./metrics",
        "/v1/../metrics",
        "/metrics?x=1",
        "/metrics/x",
    ],
)
def test_proxies_hide_metrics(front: Front, path: str) -> None:
    for method in ("GET", "HEAD"):
        status, _, body = front.ask(method, path)
        assert status == 404
        assert b"latchkey_" not in body
    assert "latchkey_" in front.service.client().get("/metrics").text


@pytest.mark.parametrize("size", [40_000, 99_999, 103_000, 3_000_000])
def test_too_large_body_is_refused(front: Front, size: int) -> None:
    status, headers, body = front.ask("POST", "/v1/login", b" " * size)
    assert status == 413, (headers, body, front.log.read_text()[-1500:])


def test_another_host_name_does_not_reach_the_api(front: Front) -> None:
    assert front.ask("GET", "/v1/me")[0] == 401
    status, _, body = front.ask("GET", "/v1/me", Host="evil.example")
    assert status in {200, 400, 421}
    assert b"token_missing" not in body


@pytest.mark.parametrize("front", ["nginx"], indirect=True)  # Caddy does this by itself on port 80
def test_plain_http_redirects_to_https(front: Front) -> None:
    assert front.plain is not None
    with closing(http.client.HTTPConnection("127.0.0.1", front.plain, timeout=20)) as connection:
        connection.request("GET", "/verify?token=x", headers={"Host": "evil.example"})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("location")) == (308, "https://accounts.example.org/verify?token=x")
