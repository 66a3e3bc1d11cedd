"""Ceremonies that are refused, over HTTP: a code of the catalogue, and nothing is written."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import add_passkey
from tests.support.forged_passkeys import ALL, Twist
from tests.support.passkeys import NEW_KEYS
from tests.support.service import Client, Service, code
from tests.support.sweeping import stored_rows


def chosen() -> Iterator[Twist]:
    """One of each kind and step, and the largest. The others are tested without HTTP."""
    seen = set()
    for twist in ALL:
        if (twist.kind, twist.step) not in seen or "megabyte" in twist.name:
            seen.add((twist.kind, twist.step))
            yield twist


def sent(client: Client, path: str, twist: Twist, device: SoftwareAuthenticator) -> httpx.Response:
    begun = client.post(f"{path}/options").json()
    body = {"challenge": begun["challenge"], "credential": twist.credential(device, begun["options"])}
    # The service closes a connection on which it has refused a large body.
    headers = {"Content-Type": "application/json", "Connection": "close"}
    return client.post(path, content=json.dumps(body), headers=headers)


def test_forged_ceremonies_are_refused_over_http(service: Service) -> None:
    origin = f"http://localhost:{urlsplit(service.url).port}"
    devices = {algorithm: SoftwareAuthenticator(origin=origin, new_key=new) for algorithm, new in NEW_KEYS.items()}
    for device in devices.values():
        add_passkey(service.member(), device)
    member, before = service.member(), stored_rows(service)
    for twist in chosen():
        if twist.step == "registration":
            device = SoftwareAuthenticator(origin=origin, new_key=NEW_KEYS[twist.algorithm])
            answer = sent(member, "/v1/factors/passkeys", twist, device)
        else:
            answer = sent(service.client(), "/v1/login/passkey", twist, devices[twist.algorithm])
        if "megabyte" in twist.name:
            assert (answer.status_code, code(answer)) == (413, "too_large"), str(twist)
        elif twist.reason is None:
            assert (answer.status_code, code(answer)) == (401, "factor_invalid"), str(twist)
        else:
            assert (answer.status_code, code(answer)) == (422, "passkey_unsuitable"), str(twist)
            assert answer.json()["reason"] == twist.reason
    assert stored_rows(service) == before
