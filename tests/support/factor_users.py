"""Users with second factors, over HTTP, and their access tokens."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import jwt

from adapters.tokens.jwt_codec import JwtCodec
from domain.authentication import Authentication
from entrypoints.container import Container
from entrypoints.settings import load
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.service import PASSWORD, Client, Service, code

Json = dict[str, Any]


def claims(token: str) -> Json:
    decoded: Json = jwt.decode(token, options={"verify_signature": False})
    return decoded


def successful(answer: httpx.Response, status: int = 200) -> Json:
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    return body


def add_passkey(client: Client, device: SoftwareAuthenticator, **more: str) -> Json:
    """Add a passkey of the device, and return the response."""
    options = successful(client.post("/v1/factors/passkeys/options"))
    body = {"challenge": options["challenge"], "credential": device.create(options["options"]), **more}
    return successful(client.post("/v1/factors/passkeys", json=body), 201)


def asked_for_factor(client: Client, email: str) -> Json:
    """The problem document that the right password gets."""
    answer = client.post("/v1/login", json={"login": email, "password": PASSWORD})
    assert (answer.status_code, code(answer)) == (401, "second_factor_required")
    document: Json = answer.json()
    return document


def log_in_with(client: Client, email: str, **factor: Any) -> Client:
    """Log in with the password and then `totp` or `recovery_code`."""
    challenge = asked_for_factor(client, email)["challenge"]
    pair = client.post("/v1/login/factor", json={"challenge": challenge, **factor})
    successful(pair)
    client.take(pair)
    client.email = email
    return client


def log_in_with_passkey(client: Client, device: SoftwareAuthenticator) -> Client:
    options = successful(client.post("/v1/login/passkey/options"))
    body = {"challenge": options["challenge"], "credential": device.get(options["options"])}
    pair = client.post("/v1/login/passkey", json=body)
    successful(pair)
    client.take(pair)
    return client


def step_up(client: Client, **factor: Any) -> dict[str, str]:
    """The headers that send the token of a step-up."""
    answer = successful(client.post("/v1/step-up", json=factor))
    return {"Authorization": f"Bearer {answer['access_token']}"}


def codec_of(service: Service) -> JwtCodec:
    codec: JwtCodec = Container(settings=load(service.environ)).access_codec()
    return codec


def token_of(codec: JwtCodec, client: Client, *, age: int, factor: str | None = None) -> dict[str, str]:
    """The headers of a request of the client's session, whose user authenticated `age` seconds ago."""
    token = codec.decode(client.pair["access_token"])
    authentication = Authentication.by_password(token.issued_at - timedelta(seconds=age))
    if factor is not None:
        authentication = authentication.with_factor(factor, authentication.at)
    return {"Authorization": f"Bearer {codec.encode(replace(token, authentication=authentication))}"}
