"""ES256 (RFC 7518 section 3.4) with one valid signature for each message and key."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class DeterministicES256(ECAlgorithm):
    """Derives the nonce from the message (RFC 6979), and makes only signatures whose s is the lower of the two values
    that verify."""

    def __init__(self) -> None:
        super().__init__(SHA256, ec.SECP256R1)

    def sign(self, msg: bytes, key: Any) -> bytes:
        r, s = decode_dss_signature(key.sign(msg, ec.ECDSA(SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + min(s, _ORDER - s).to_bytes(32, "big")


def has_low_s(signature: bytes) -> bool:
    return int.from_bytes(signature[32:], "big") <= _ORDER // 2
