"""Ceremonies that are refused, over HTTP: a code of the catalogue, and nothing is written."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import add_passkey
from tests.support.forged_passkeys import ALL, Forgery
from tests.support.passkeys import NEW_KEYS
from tests.support.service import Client, Service, code
from tests.support.sweeping import stored_rows


def chosen() -> Iterator[Forgery]:
    """One of each kind and step, and the largest. The others are tested without HTTP."""
    seen = set()
    for forgery in ALL:
        if (forgery.kind, forgery.step) not in seen or "megabyte" in forgery.name:
            seen.add((forgery.kind, forgery.step))
            yield forgery


def sent(client: Client, path: str, forgery: Forgery, device: SoftwareAuthenticator) -> httpx.Response:
    begun = client.post(f"{path}/options").json()
    body = {"challenge": begun["challenge"], "credential": forgery.credential(device, begun["options"])}
    # The service closes a connection on which it has refused a large body.
    headers = {"Content-Type": "application/json", "Connection": "close"}
    return client.post(path, content=json.dumps(body), headers=headers)


def test_forged_ceremonies_are_refused_over_http(service: Service) -> None:
    origin = f"http://localhost:{urlsplit(service.url).port}"
    devices = {algorithm: SoftwareAuthenticator(origin=origin, new_key=new) for algorithm, new in NEW_KEYS.items()}
    for device in devices.values():
        add_passkey(service.member(), device)
    member, before = service.member(), stored_rows(service)
    for forgery in chosen():
        if forgery.step == "registration":
            device = SoftwareAuthenticator(origin=origin, new_key=NEW_KEYS[forgery.algorithm])
            answer = sent(member, "/v1/factors/passkeys", forgery, device)
        else:
            answer = sent(service.client(), "/v1/login/passkey", forgery, devices[forgery.algorithm])
        if "megabyte" in forgery.name:
            assert (answer.status_code, code(answer)) == (413, "too_large"), str(forgery)
        elif forgery.reason is None:
            assert (answer.status_code, code(answer)) == (401, "factor_invalid"), str(forgery)
        else:
            assert (answer.status_code, code(answer)) == (422, "passkey_unsuitable"), str(forgery)
            assert answer.json()["reason"] == forgery.reason
    assert stored_rows(service) == before
