"""Signing keys, and how they lie in PEM files: Ed25519 (EdDSA, RFC 8037) or P-256 (ES256, RFC 7518) only."""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """`kid` is the thumbprint of the public part (RFC 7638); without a private part a key only verifies."""

    kid: str
    alg: str
    private: PrivateKey | None = field(repr=False)
    public: PublicKey = field(repr=False)

    @classmethod
    def of(cls, key: object) -> Self:
        """Raises ValueError for every kind of key but the two."""
        private = key if isinstance(key, PrivateKey) else None
        public = key if private is None else private.public_key()
        if not isinstance(public, PublicKey) or _is_foreign(public):
            raise ValueError("neither an Ed25519 nor a P-256 key")
        alg = "EdDSA" if isinstance(public, ed25519.Ed25519PublicKey) else "ES256"
        canonical = json.dumps(_jwk(public), sort_keys=True, separators=(",", ":"))
        kid = _base64url(hashlib.sha256(canonical.encode()).digest())
        return cls(kid=kid, alg=alg, private=private, public=public)

    @property
    def jwk(self) -> dict[str, str]:
        """The public part alone (RFC 7517)."""
        return {**_jwk(self.public), "kid": self.kid, "use": "sig", "alg": self.alg}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """What lies in a file: a key, or else what is wrong with it, in words that never quote it.

    It was `written` then, and came to lie here, or changed otherwise, at `changed` (nanoseconds since 1970). Its
    `stamp` differs where the file may; None is like no other.
    """

    file: Path
    written: int
    changed: int
    stamp: tuple[int, ...] | None
    key: SigningKey | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """A key and the files that hold it, the public half beside the private one perhaps; none has changed `since`."""

    key: SigningKey
    files: tuple[Path, ...]
    since: datetime


def read_keys(path: Path, known: Mapping[Path, KeyFile] = MappingProxyType({})) -> dict[Path, KeyFile]:
    """What lies in a file, or in the *.pem files of a folder.

    A file that is as it was `known` is not opened again. Raises OSError where the path itself cannot be read.
    """
    found = {}
    for file in _pem_files(path) if path.is_dir() else [path]:
        try:
            # Before it is read: whatever changes meanwhile is seen the next time.
            at = file.stat()
            stamp = (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
            same = file in known and known[file].stamp == stamp
            found[file] = known[file] if same else _read(file, at, stamp)
        except FileNotFoundError:
            # Of a folder's files somebody has just removed one.
            if file is path:
                raise
    return found


def held_keys(files: Iterable[KeyFile]) -> list[HeldKey]:
    """Each key once, from the last written file to the first."""
    held: dict[str, HeldKey] = {}
    for it in sorted(files, key=lambda it: (it.written, it.file.name), reverse=True):
        if it.key is None:
            continue
        since = datetime.fromtimestamp(it.changed / 1e9, UTC)
        before = held.get(it.key.kid)
        if before is None:
            held[it.key.kid] = HeldKey(key=it.key, files=(it.file,), since=since)
        else:
            # The half that signs counts.
            key = before.key if before.key.private else it.key
            held[key.kid] = HeldKey(key=key, files=(*before.files, it.file), since=max(before.since, since))
    return list(held.values())


def load_keys(path: Path) -> list[SigningKey]:
    """The keys of a PEM file, or of the *.pem files in a folder, newest file first.

    Raises ValueError, naming the file, where one is unusable or none can sign.
    """
    try:
        files = read_keys(path).values()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    for it in files:
        if it.problem:
            raise ValueError(it.problem)
    keys = [held.key for held in held_keys(files)]
    if not any(key.private for key in keys):
        raise ValueError(f"{path}: no private key to sign with")
    return keys


def make_key(folder: Path) -> Path:
    """A new Ed25519 key in the folder: newer than all others, readable by its owner only, whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    newest = _newest(folder)
    key = SigningKey.of(private := ed25519.Ed25519PrivateKey.generate())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # mkstemp makes the file 0600; a reader never sees it under its own name before it is complete.
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".", suffix=".draft")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        if newest is not None and os.geteuid() == 0:
            # Root makes keys for the service, which runs as somebody else and has to read them.
            os.chown(draft, newest.st_uid, newest.st_gid)
        if newest is not None and Path(draft).stat().st_mtime_ns <= newest.st_mtime_ns:
            # The clock was set back, or is behind that of another machine.
            os.utime(draft, ns=(newest.st_mtime_ns + 1, newest.st_mtime_ns + 1))
        return Path(draft).rename(folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{key.kid}.pem")
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _newest(folder: Path) -> os.stat_result | None:
    found = []
    for file in _pem_files(folder):
        with suppress(FileNotFoundError):  # somebody has just removed it
            found.append(file.stat())
    return max(found, key=lambda at: at.st_mtime_ns, default=None)


def _pem_files(folder: Path) -> list[Path]:
    """Unlike glob, it tells of a folder that cannot be read."""
    return [file for file in folder.iterdir() if file.suffix == ".pem"]


def _read(file: Path, at: os.stat_result, stamp: tuple[int, ...]) -> KeyFile:
    it = KeyFile(
        file=file, written=at.st_mtime_ns, changed=max(at.st_mtime_ns, at.st_ctime_ns), stamp=stamp, key=None
    )
    try:
        return replace(it, key=_key(file.read_bytes()))
    except FileNotFoundError:
        raise
    except OSError as error:
        # Nothing of the file need change for it to be readable again.
        return replace(it, stamp=None, problem=f"{file}: cannot be read ({error.strerror})")
    except ValueError as error:
        return replace(it, problem=f"{file}: {error}")


def _key(pem: bytes) -> SigningKey:
    if pem.count(b"-----BEGIN ") != 1:
        raise ValueError("not one PEM key")
    try:
        if b"PUBLIC KEY-----" in pem:
            return SigningKey.of(serialization.load_pem_public_key(pem))
        return SigningKey.of(serialization.load_pem_private_key(pem, password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's words may quote the file; ours must not.
        raise ValueError("not an unencrypted Ed25519 or P-256 key in PEM") from None


def _is_foreign(public: PublicKey) -> bool:
    return isinstance(public, ec.EllipticCurvePublicKey) and not isinstance(public.curve, ec.SECP256R1)


def _jwk(public: PublicKey) -> dict[str, str]:
    """The members that RFC 7638 hashes, as RFC 8037 and RFC 7518 section 6.2.1 spell them."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public.public_bytes_raw())}
    at = public.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": _base64url(at.x.to_bytes(32, "big")),
        "y": _base64url(at.y.to_bytes(32, "big")),
    }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
