"""A security key in software that speaks CTAP 2.0, for clients that others wrote."""

from collections.abc import Callable
from hashlib import sha256
from threading import Event
from typing import Any

import cbor2
from fido2.ctap import CtapDevice, CtapError
from fido2.hid import CAPABILITY, CTAPHID

from tests.support.authenticator import ATTESTED, USER_PRESENT, USER_VERIFIED, AuthenticatorData, StoredPasskey
from tests.support.cose import PrivateKey, algorithm_of, cose_key, sign

_MAKE_CREDENTIAL, _GET_ASSERTION, _GET_INFO = 1, 2, 4


class SecurityKey(CtapDevice):
    """Verifies its user by itself, and attests with the key of the credential (self attestation)."""

    def __init__(self, new_key: Callable[[], PrivateKey]) -> None:
        self._new_key = new_key
        self.passkeys: list[StoredPasskey] = []

    @property
    def capabilities(self) -> int:
        return int(CAPABILITY.CBOR)

    @classmethod
    def list_devices(cls) -> Any:
        return iter([])

    def call(self, cmd: int, data: bytes = b"", event: Event | None = None, on_keepalive: object = None) -> bytes:
        assert cmd == CTAPHID.CBOR
        answers = {_GET_INFO: self._info, _MAKE_CREDENTIAL: self._make, _GET_ASSERTION: self._assert}
        try:
            return b"\0" + cbor2.dumps(answers[data[0]](cbor2.loads(data[1:]) if data[1:] else {}), canonical=True)
        except CtapError as error:
            return bytes([error.code])

    def _info(self, _: dict[int, Any]) -> dict[int, Any]:
        return {1: ["FIDO_2_0"], 3: bytes(16), 4: {"rk": True, "up": True, "uv": True}, 6: [2]}

    def _make(self, request: dict[int, Any]) -> dict[int, Any]:
        excluded = {one["id"] for one in request.get(5, [])}
        if excluded & {one.id for one in self.passkeys}:
            raise CtapError(CtapError.ERR.CREDENTIAL_EXCLUDED)
        key = self._new_key()
        assert algorithm_of(key) in {one["alg"] for one in request[4]}
        passkey = StoredPasskey(
            id=sha256(request[1]).digest(), rp_id=request[2]["id"], key=key, user_handle=request[3]["id"]
        )
        self.passkeys.append(passkey)
        data = self._data(passkey, request.get(7, {}))
        data.flags |= ATTESTED
        data.aaguid, data.credential_id, data.public_key = bytes(16), passkey.id, cose_key(key)
        signature = sign(key, bytes(data) + request[1])
        return {1: "packed", 2: bytes(data), 3: {"alg": algorithm_of(key), "sig": signature}}

    def _assert(self, request: dict[int, Any]) -> dict[int, Any]:
        allowed = {one["id"] for one in request.get(3, [])}
        usable = [one for one in self.passkeys if one.rp_id == request[1] and (not allowed or one.id in allowed)]
        if not usable:
            raise CtapError(CtapError.ERR.NO_CREDENTIALS)
        passkey = usable[-1]
        data = bytes(self._data(passkey, request.get(5, {})))
        return {
            1: {"type": "public-key", "id": passkey.id},
            2: data,
            3: sign(passkey.key, data + request[2]),
            4: {"id": passkey.user_handle},
        }

    def _data(self, passkey: StoredPasskey, options: dict[str, bool]) -> AuthenticatorData:
        passkey.sign_count += 1
        flags = USER_PRESENT | (USER_VERIFIED if options.get("uv") else 0)
        return AuthenticatorData(rp_id=passkey.rp_id, flags=flags, sign_count=passkey.sign_count)
