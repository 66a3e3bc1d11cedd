"""Debian's Apache and HAProxy in front of a service, which verify tokens by keys or by introspection."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.certificates import Authority
from tests.support.programs import program
from tests.support.service import Client, Service, eventually, free_port

APACHE = """
ServerRoot /usr/lib/apache2
ServerName localhost
PidFile {folder}/pid
Listen 127.0.0.1:{port}
LogLevel warn
ErrorLog {folder}/error.log
User www-data
Group www-data
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authn_core_module modules/mod_authn_core.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule authz_user_module modules/mod_authz_user.so
LoadModule {module}
DocumentRoot {folder}/public
{settings}
<Location />
  AuthType {kind}
  Require valid-user
</Location>
"""

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend guarded
  bind 127.0.0.1:{port}
  http-request set-var(txn.token) http_auth_bearer
  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str {alg} }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{key}") 1 }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.iss') -m str {url} }}
  default_backend latchkey
backend latchkey
  option httpchk HEAD /health/ready
  server one {host} check inter 200ms
"""

TLS = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend tls
  bind 127.0.0.1:{port} ssl crt {certificate}
  default_backend latchkey
backend latchkey
  server one {host}
"""

Start = Callable[..., None]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that Apache can read after it has dropped its privileges."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    (made / "public").mkdir()
    (made / "public" / "index.html").write_text("public")
    yield made
    shutil.rmtree(made)


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts a server in the foreground, with its configuration in a file, and waits until it listens."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], config: str, port: int, *, scheme: str = "http") -> None:
        file = folder / f"{command[0]}.{port}"
        file.write_text(config)
        command = [program(command[0]), *command[1:], "-f", str(file)]
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
        started.append(process)

        def listens() -> bool:
            assert process.poll() is None, (folder / "output").read_text()
            try:
                return httpx.get(f"{scheme}://127.0.0.1:{port}/", verify=False).status_code != 503
            except httpx.TransportError:
                return False

        eventually(listens)

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


def statuses(url: str, client: Client) -> tuple[int, int, int]:
    """The status for the access token after a login, after a refresh, and after a logout."""

    def status() -> int:
        return httpx.get(url, headers={"Authorization": client.headers["Authorization"]}).status_code

    first = status()
    client.take(client.renew())
    second = status()
    assert client.post("/v1/logout").status_code == 204
    return first, second, status()


def tls(service: Service, folder: Path, start: Start) -> str:
    """The service by https, which mod_auth_openidc requires."""
    authority = Authority(folder)
    certificate, port = authority.certificate("127.0.0.1"), free_port()
    config = TLS.format(port=port, certificate=certificate, host=service.url.removeprefix("http://"))
    start(["haproxy", "-db"], config, port, scheme="https")
    return f"https://127.0.0.1:{port}"


APACHE_SETTINGS = {
    "auth_openidc, introspection": (
        "auth_openidc_module modules/mod_auth_openidc.so",
        "oauth20",
        """
        OIDCOAuthIntrospectionEndpoint {url}/v1/introspect
        OIDCOAuthIntrospectionEndpointAuth client_secret_basic
        OIDCOAuthClientID {id}
        OIDCOAuthClientSecret {secret}
        OIDCOAuthTokenIntrospectionInterval 0
        OIDCOAuthRemoteUserClaim sub
        OIDCOAuthSSLValidateServer Off
        """,
    ),
    "auth_openidc, keys": (
        "auth_openidc_module modules/mod_auth_openidc.so",
        "oauth20",
        """
        OIDCOAuthVerifyJwksUri {url}/.well-known/jwks.json
        OIDCOAuthRemoteUserClaim sub
        OIDCOAuthSSLValidateServer Off
        """,
    ),
    "oauth2, introspection": (
        "oauth2_module modules/mod_oauth2.so",
        "oauth2",
        r"""
        OAuth2TokenVerify introspect {url}/v1/introspect \
          introspect.auth=client_secret_basic&client_id={id}&client_secret={secret}&expiry=0
        """,
    ),
    "oauth2, keys": (
        "oauth2_module modules/mod_oauth2.so",
        "oauth2",
        """
        OAuth2TokenVerify jwks_uri {url}/.well-known/jwks.json
        """,
    ),
}


@pytest.mark.parametrize("way", APACHE_SETTINGS)
def test_apache_accepts_tokens_until_logout(service: Service, folder: Path, start: Start, way: str) -> None:
    module, kind, settings = APACHE_SETTINGS[way]
    client_id, secret = service.credentials("apache")
    url = tls(service, folder, start) if kind == "oauth20" else service.url
    settings = settings.format(url=url, id=client_id, secret=secret)
    port = free_port()
    config = APACHE.format(folder=folder, port=port, module=module, kind=kind, settings=settings)
    start(["apache2", "-X"], config, port)
    url = f"http://127.0.0.1:{port}/index.html"
    assert httpx.get(url).status_code == 401
    after_logout = 401 if "introspection" in way else 200  # with the keys alone, until the token expires
    assert statuses(url, service.member()) == (200, 200, after_logout), (folder / "error.log").read_text()


def test_haproxy_verifies_tokens_and_checks_health_by_head(service: Service, folder: Path, start: Start) -> None:
    client = service.member()
    keys = jwt.PyJWKSet.from_dict(client.get("/.well-known/jwks.json").json()).keys
    header = jwt.get_unverified_header(client.pair["access_token"])
    [key] = [key for key in keys if key.key_id == header["kid"]]
    pem = folder / "key.pem"
    pem.write_bytes(key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    port, host = free_port(), service.url.removeprefix("http://")
    config = HAPROXY.format(port=port, key=pem, alg=header["alg"], url=service.url, host=host)
    start(["haproxy", "-db"], config, port)
    url = f"http://127.0.0.1:{port}/v1/me"
    assert httpx.get(url).status_code == 401
    # It passes the request on to Latchkey here, which refuses what is revoked.
    eventually(lambda: httpx.get(url, headers={"Authorization": client.headers["Authorization"]}).status_code == 200)
    assert statuses(url, client) == (200, 200, 401)
