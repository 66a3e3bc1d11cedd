"""A valid ceremony of WebAuthn with one part changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.support.authenticator import Assertion, Creation, Json, SoftwareAuthenticator
from tests.support.cose import ES256

Step = Literal["registration", "login"]
Parts = Callable[[Any], None]
"""Changes a `Creation` or an `Assertion` before it is signed."""


def _leave(_: object) -> None:
    """Change nothing."""


@dataclass(frozen=True, kw_only=True)
class Forgery:
    """`parts` changes the response before it is signed, and `fields` its JSON afterwards. `reason` is that of
    `passkey_unsuitable`; None for `factor_invalid`."""

    kind: str
    name: str
    step: Step
    parts: Parts = _leave
    fields: Callable[[Json], None] = _leave
    reason: str | None = None
    algorithm: int = ES256

    def __str__(self) -> str:
        return f"{self.step}-{self.kind}-{self.name}".replace(" ", "_")

    def credential(self, authenticator: SoftwareAuthenticator, options: Mapping[str, Any]) -> Json:
        response: Creation | Assertion
        if self.step == "registration":
            response = authenticator.creation(options)
        else:
            response = authenticator.assertion(options)
        self.parts(response)
        credential = response.json()
        self.fields(credential)
        return credential


def in_both(kind: str, changes: Mapping[str, Parts]) -> list[Forgery]:
    """The same changes at registration and at login."""
    at_login = [Forgery(kind=kind, name=name, step="login", parts=parts) for name, parts in changes.items()]
    return at_login + [replace(forgery, step="registration") for forgery in at_login]


def client_data(**changes: object) -> Parts:
    return lambda response: response.client_data.update(changes)


def client_data_bytes(change: Callable[[bytes], bytes]) -> Parts:
    def forgery(response: Creation | Assertion) -> None:
        response.client_data_json = change(response.signed_parts()[0])

    return forgery


def data(**changes: Any) -> Parts:
    def forgery(response: Creation | Assertion) -> None:
        response.data = replace(response.data, **changes)

    return forgery


def flags(change: Callable[[int], int], *, extensions: bytes = b"") -> Parts:
    def forgery(response: Creation | Assertion) -> None:
        response.data.flags = change(response.data.flags)
        response.data.extensions = extensions

    return forgery


def data_bytes(change: Callable[[bytes], bytes]) -> Parts:
    def forgery(response: Creation | Assertion) -> None:
        response.authenticator_data = change(bytes(response.data))

    return forgery


def flipped(data: bytes, at: int) -> bytes:
    """With one bit changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)
