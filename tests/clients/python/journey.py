"""The journey of every client: log in, be accepted, refresh, be accepted again, log out, be refused."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

URL = os.environ["LATCHKEY_URL"]
ALGORITHM = os.environ["ALGORITHM"]
CLIENT = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
JWKS = f"{URL}/.well-known/jwks.json"


def call(method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    request = urllib.request.Request(URL + path if path.startswith("/") else path, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, None


def log_in() -> dict[str, Any]:
    status, pair = call("POST", "/v1/login", {"login": os.environ["LOGIN"], "password": os.environ["PASSWORD"]})
    assert status == 200, status
    token_pair: dict[str, Any] = pair
    return token_pair


def refused(accept: Callable[[str], object], token: str) -> bool:
    try:
        accept(token)
    except Exception:
        return True
    return False


def journey(accept: Callable[[str], object], *, asks: bool = False) -> None:
    """`accept` raises for a token that it refuses. `asks`: it introspects, so it refuses at once after a logout."""
    pair = log_in()
    accept(pair["access_token"])
    assert call("GET", "/v1/me", token=pair["access_token"])[0] == 200
    status, pair = call("POST", "/v1/refresh", {"refresh_token": pair["refresh_token"]})
    assert status == 200
    token = pair["access_token"]
    accept(token)
    head, payload, signature = token.split(".")
    assert refused(accept, f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}")
    assert call("POST", "/v1/logout", token=token)[0] == 204
    assert call("GET", "/v1/me", token=token)[0] == 401
    assert not asks or refused(accept, token)
    print("ok")
