"""Which signing keys lie in a file or a folder, and since when; a new one is put beside them."""

import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from adapters.pem_keys import SigningKey, new_pem, read_pem

_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
"""Files may come from later still; no calendar does, and something is yet to be added."""


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
            found[file] = _found(file, known.get(file))
        except OSError as error:
            if file is path:
                raise
            # What is wrong with one of a folder's files must not hide that another is gone.
            if not isinstance(error, FileNotFoundError):
                found[file] = KeyFile(
                    file=file, written=0, changed=0, stamp=None, key=None, problem=_says(file, error)
                )
    return found


def held_keys(files: Iterable[KeyFile]) -> list[HeldKey]:
    """Each key once, from the last written file to the first."""
    held: dict[str, HeldKey] = {}
    for it in sorted(files, key=lambda it: (it.written, it.file.name), reverse=True):
        if it.key is None:
            continue
        since = datetime.fromtimestamp(min(max(it.changed / 1e9, 0), _LATEST), UTC)
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
    key, pem = new_pem()
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
        with suppress(OSError):  # somebody has just removed it, or it leads nowhere
            found.append(file.stat())
    return max(found, key=lambda at: at.st_mtime_ns, default=None)


def _pem_files(folder: Path) -> list[Path]:
    """Unlike glob, it tells of a folder that cannot be read."""
    return [file for file in folder.iterdir() if file.suffix == ".pem"]


def _found(file: Path, known: KeyFile | None) -> KeyFile:
    # Before it is read: whatever changes meanwhile is seen the next time.
    at = file.stat()
    stamp = (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
    if known is not None and known.stamp == stamp:
        return known
    written, changed = at.st_mtime_ns, max(at.st_mtime_ns, at.st_ctime_ns)
    it = KeyFile(file=file, written=written, changed=changed, stamp=stamp, key=None)
    if not stat.S_ISREG(at.st_mode):
        # A pipe would be waited for, and a device read forever.
        return replace(it, problem=f"{file}: not a regular file")
    try:
        return replace(it, key=read_pem(file.read_bytes()))
    except FileNotFoundError:
        raise
    except OSError as error:
        # Nothing of the file need change for it to be readable again.
        return replace(it, stamp=None, problem=_says(file, error))
    except ValueError as error:
        return replace(it, problem=f"{file}: {error}")


def _says(file: Path, error: OSError) -> str:
    return f"{file}: cannot be read ({error.strerror})"
