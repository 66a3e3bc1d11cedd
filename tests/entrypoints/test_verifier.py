"""The example program of docs/integrating.md for other services, run as a process beside a real service."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.tokens.key_files import make_key
from adapters.tokens.pem_keys import SigningKey
from entrypoints.settings import load
from tests.support.documents import block
from tests.support.forging import CLAIMS, forged, segment, signing
from tests.support.key_files import load_keys
from tests.support.proxies import Listener
from tests.support.service import PASSWORD, Client, Service, eventually, free_port, unique_email


class Notes(httpx.Client):
    """A client of the example program."""

    def read(self, token: str) -> httpx.Response:
        return self.get("/notes", headers={b"Authorization": f"Bearer {token}".encode()})

    def delete_notes(self, token: str) -> httpx.Response:
        return self.delete("/notes", headers={b"Authorization": f"Bearer {token}".encode()})


@contextmanager
def program(folder: Path, latchkey: str) -> Iterator[Notes]:
    (folder / "notes.py").write_text(block("python"))
    port, log = free_port(), folder / "notes.log"
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "notes:app", "--port", str(port), "--no-access-log"]
    with log.open("wb") as output:
        environ = {**os.environ, "LATCHKEY_PUBLIC_URL": latchkey}
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=subprocess.STDOUT)

    def ready(client: httpx.Client) -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return client.get("/notes").status_code == 401
        except httpx.TransportError:
            return False

    try:
        with Notes(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            eventually(lambda: ready(client))
            yield client
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def notes(shared_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notes]:
    with program(tmp_path_factory.mktemp("notes"), shared_service.url) as client:
        yield client


def refused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.headers.get("www-authenticate")) == (401, "Bearer")


def test_logged_in_user_passes_both_checks(service: Service, notes: Notes) -> None:
    client = service.member()
    token = client.pair["access_token"]
    answer = notes.read(token)
    assert (answer.status_code, answer.text) == (200, f"The notes of {client.get('/v1/me').json()['id']}")
    assert notes.delete_notes(token).status_code == 200
    for authorization in (f"bearer {token}", f"BEARER   {token}"):
        for call in (notes.get, notes.delete):
            assert call("/notes", headers={"Authorization": authorization}).status_code == 200
    for authorization in (token, f"Basic {token}", f"Bearer{token}", "Bearer"):
        assert refused(notes.get("/notes", headers={"Authorization": authorization}))


def test_unverified_user_is_authenticated_but_not_allowed(service: Service, notes: Notes) -> None:
    email, client = unique_email("unverified"), service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    token = client.log_in(email).pair["access_token"]
    assert notes.read(token).status_code == 200
    assert notes.delete_notes(token).status_code == 403
    client.post("/v1/verify", json={"token": service.token(email)})
    assert notes.delete_notes(token).status_code == 200


def test_offline_check_accepts_until_expiry_and_introspection_refuses(service: Service, notes: Notes) -> None:
    client = service.member()
    token = client.pair["access_token"]
    client.post("/v1/logout")
    assert refused(notes.delete_notes(token))
    assert notes.read(token).status_code == 200


# -- invalid tokens ------------------------------------------------------------------------------------


def forgeries(service: Service, client: Client) -> Iterator[tuple[str, str]]:
    """Each is wrong in one respect, and signed with the service's own key unless that is what is wrong."""
    [key] = load_keys(load(service.environ).signing_keys)
    sign, now = signing(key.private), int(time.time())
    header = {"alg": "ES256", "kid": key.kid, "typ": "at+jwt"}
    claims: dict[str, Any] = {
        **{"iss": service.url, "aud": service.url, "client_id": "latchkey", "sub": str(uuid4()), "sid": str(uuid4())},
        **{"jti": "x", "gen": 1, "iat": now, "exp": now + 600, "role": "admin", "verified": True},
    }
    yield "", forged(claims, header, sign)
    for name, value in (
        ("aud", "https://another.example.org"),
        ("aud", None),
        ("iss", "https://another.example.org"),
        ("iss", service.url + "/"),
        ("exp", now - 10),
        ("exp", "soon"),
        ("iat", now + 60),
        ("nbf", now + 60),
    ):
        yield f"{name} {value}", forged({**claims, name: value}, header, sign)
    for name in ("iss", "aud", "sub", "sid", "jti", "iat", "exp", "role", "verified"):
        yield f"no {name}", forged({other: claims[other] for other in claims if other != name}, header, sign)
    for name, value in (
        ("typ", "JWT"),
        ("typ", "refresh+jwt"),
        ("alg", "EdDSA"),
        ("alg", "RS256"),
        ("alg", "HS256"),
        ("kid", "unknown"),
    ):
        yield f"{name} {value}", forged(claims, {**header, name: value}, sign)
    for name in header:
        yield f"no {name}", forged(claims, {other: header[other] for other in header if other != name}, sign)
    yield "crit", forged(claims, {**header, "crit": ["exp"]}, sign)
    stranger = Ed25519PrivateKey.generate()
    yield "another key", forged(claims, header, stranger.sign)
    own = {"jwk": SigningKey.of(stranger).jwk, "kid": SigningKey.of(stranger).kid}
    yield "a key of its own", forged(claims, {**header, **own}, stranger.sign)
    for alg in ("none", "None", "NONE"):
        yield alg, f"{segment({**header, 'alg': alg})}.{segment(claims)}."
    yield "deep", f"{segment(b'[' * 5000)}.{segment(claims)}.x"
    yield "deep claims", forged(b"[" * 2000 + b"]" * 2000, header, sign)
    genuine = client.pair["access_token"]
    head, payload, signature = genuine.split(".")
    yield "cut off", genuine[:-1]
    yield "changed", f"{head}.{segment(claims)}.{signature}"
    yield "without a signature", f"{head}.{payload}."
    yield "padded", genuine + "=="
    yield "with spare bits", genuine[:-1] + chr(ord(genuine[-1]) + 1)
    yield "refresh", client.pair["refresh_token"]
    client.post("/v1/password/forgot", json={"email": client.email})
    yield "link", service.token(client.email)
    yield from (
        ("dots", ".."),
        ("text", "x"),
        ("no ASCII", "é.é.é"),
        ("two", f"{genuine} {genuine}"),
        ("long", "x" * 8000),
    )


def test_forged_token_is_refused(service: Service, notes: Notes) -> None:
    tokens = list(forgeries(service, service.member()))
    assert notes.read(tokens[0][1]).status_code == 200  # so that each of the following is refused for its own error
    for what, token in tokens[1:]:
        assert refused(notes.read(token)), what
    for what, token in tokens:
        assert refused(notes.delete_notes(token)), what


def test_unknown_keys_cause_few_requests(service: Service, notes: Notes) -> None:
    def count_requests() -> int:
        return (service.folder / "api.log").read_text().count("/.well-known/jwks.json")

    genuine = service.member().pair["access_token"]
    before, began = count_requests(), time.monotonic()
    for number in range(300):
        assert refused(notes.read(forged(header={"alg": "EdDSA", "kid": f"invented-{number}", "typ": "at+jwt"})))
    assert notes.read(genuine).status_code == 200
    assert count_requests() - before <= time.monotonic() - began + 2


def test_failed_introspection_refuses_the_request(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    key, latchkey = SigningKey.of(private), Listener()
    latchkey.body = json.dumps({"keys": [key.jwk]}).encode()
    where, now = f"http://127.0.0.1:{latchkey.port}", int(time.time())
    said = {**CLAIMS, "iss": where, "aud": where, "iat": now, "exp": now + 600}
    token = forged(said, {"alg": "EdDSA", "kid": key.kid, "typ": "at+jwt"}, private.sign)
    try:
        with program(tmp_path, where) as notes:
            assert notes.delete_notes(token).status_code == 200
            for latchkey.status in (301, 302, 400, 401, 403, 404, 405, 413, 429, 500, 502, 503):
                expected = latchkey.status if latchkey.status in {401, 403} else 503
                assert notes.delete_notes(token).status_code == expected, latchkey.status
    finally:
        latchkey.close()


# -- changes of the service ----------------------------------------------------------------------------


def test_new_key_is_loaded_and_cached_keys_survive_an_outage(isolated_service: Service, tmp_path: Path) -> None:
    isolated_service.environ["LATCHKEY_KEY_DELAY"] = "1"
    api = isolated_service.start_api()
    with program(tmp_path, isolated_service.url) as notes:
        client = isolated_service.member()
        old = client.pair["access_token"]
        assert notes.read(old).status_code == 200

        make_key(load(isolated_service.environ).signing_keys)

        def renewed() -> str | None:
            client.take(client.renew())
            token = client.pair["access_token"]
            return token if token.split(".")[0] != old.split(".")[0] else None

        new = eventually(renewed)
        eventually(lambda: notes.read(new).status_code == 200)
        assert notes.read(old).status_code == 200

        api.stop()
        assert notes.read(new).status_code == 200
        assert notes.delete_notes(new).status_code == 503
        assert refused(notes.read("x"))
        unknown = forged(header={"alg": "EdDSA", "kid": "unknown", "typ": "at+jwt"})
        eventually(lambda: notes.read(unknown).status_code == 503)
