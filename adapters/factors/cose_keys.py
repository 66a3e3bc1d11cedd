"""Public keys of passkeys (COSE, RFC 9053 and RFC 8230), and which of them are accepted."""

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography, encode_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier

from domain.factor import passkey_unsuitable

EDDSA = COSEAlgorithmIdentifier.EDDSA
ES256 = COSEAlgorithmIdentifier.ECDSA_SHA_256
RS256 = COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256
ALGORITHMS = [EDDSA, ES256, RS256]
"""From most to least preferred."""

_RSA_BITS = range(2048, 4097)
_RSA_EXPONENT = 65537
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = {0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8}
"""The y coordinates of the points of Ed25519 whose signatures can be forged without a private key."""


def check_public_key(encoded: bytes) -> None:
    """Raises `passkey_unsuitable` for an algorithm that is not offered, and ValueError for a key that is weak, not on
    its curve, or not encoded exactly as WebAuthn Level 3, section 6.5.1 requires."""
    decoded = decode_credential_public_key(encoded)
    if decoded.alg not in ALGORITHMS:
        raise passkey_unsuitable("algorithm")
    key = decoded_public_key_to_cryptography(decoded)
    # One encoding for each key leaves no room for another algorithm, curve or parameter.
    if encode_cbor(_parameters(key)) != encoded:
        raise ValueError("COSE key")


def _parameters(key: object) -> dict[int, object]:
    match key:
        case EllipticCurvePublicKey(curve=SECP256R1()):
            point = key.public_numbers()
            return {1: 2, 3: ES256, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        case Ed25519PublicKey():
            y = key.public_bytes_raw()
            _check_point(int.from_bytes(y, "little") & (1 << 255) - 1)
            return {1: 1, 3: EDDSA, -1: 6, -2: y}
        case RSAPublicKey():
            numbers = key.public_numbers()
            if key.key_size not in _RSA_BITS or numbers.e != _RSA_EXPONENT or numbers.n % 2 == 0:
                raise ValueError("RSA key")
            return {1: 3, 3: RS256, -1: numbers.n.to_bytes((key.key_size + 7) // 8, "big"), -2: b"\x01\x00\x01"}
        case _:
            raise ValueError("type of key")


def _check_point(y: int) -> None:
    """A y coordinate of Ed25519 must be reduced, belong to a point (RFC 8032 section 5.1.3) and have a large order.
    The library checks none of this before the first signature."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if y >= _P or y in _SMALL_ORDER or pow(square, (_P - 1) // 2, _P) != 1:
        raise ValueError("Ed25519 point")
