"""Signing keys in a PEM file or a folder of them: reading, ordering, and creating one."""

import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from adapters.tokens.key_names import next_name, order
from adapters.tokens.pem_keys import Algorithm, SigningKey, new_pem, read_pem

_LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
"""The latest time of a file that we use: later ones do not fit a datetime, and a delay is added to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A file with its key, or else the problem with it, which never quotes the file.

    `changed` is the later of its modification and status change (nanoseconds since 1970). `stamp` differs if the file
    may differ; None equals no other.
    """

    file: Path
    changed: int
    stamp: tuple[int, ...] | None
    key: SigningKey | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A key and its files, such as one with the public half beside one with the private; unchanged `since`."""

    key: SigningKey
    files: tuple[Path, ...]
    since: datetime


def read_keys(path: Path, known: Mapping[Path, KeyFile] = MappingProxyType({})) -> dict[Path, KeyFile]:
    """Read a file, or the *.pem files of a folder. A file with the same stamp as in `known` is not opened again.

    Raises OSError if the path itself cannot be read.
    """
    key_files = {}
    for file in _pem_files(path) if path.is_dir() else [path]:
        try:
            key_files[file] = _read_file(file, known.get(file))
        except OSError as error:
            if file is path:
                raise
            # An error in one file of a folder must not hide that another is gone.
            if not isinstance(error, FileNotFoundError):
                key_files[file] = KeyFile(file=file, changed=0, stamp=None, key=None, problem=_describe(file, error))
    return key_files


def key_entries(files: Iterable[KeyFile]) -> list[KeyEntry]:
    """Each key once, newest first by the names of the files (see `key_names`)."""
    entries: dict[str, KeyEntry] = {}
    for key_file in sorted(files, key=lambda key_file: order(key_file.file.name), reverse=True):
        if key_file.key is None:
            continue
        since = datetime.fromtimestamp(min(max(key_file.changed / 1e9, 0), _LATEST), UTC)
        before = entries.get(key_file.key.kid)
        if before is None:
            entries[key_file.key.kid] = KeyEntry(key=key_file.key, files=(key_file.file,), since=since)
        else:
            # Prefer the private half.
            key = before.key if before.key.private else key_file.key
            entries[key.kid] = KeyEntry(key=key, files=(*before.files, key_file.file), since=max(before.since, since))
    return list(entries.values())


def usable_keys(path: Path) -> dict[Path, KeyFile]:
    """Like `read_keys`, but raises ValueError, naming the file, if one is unusable or none can sign."""
    try:
        files = read_keys(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    for it in files.values():
        if it.problem:
            raise ValueError(it.problem)
    if not any(it.key and it.key.private for it in files.values()):
        raise ValueError(f"{path}: no private key to sign with; create one with `latchkey keys rotate`")
    return files


def make_key(folder: Path, algorithm: Algorithm | None = None) -> Path:
    """Create a key in the folder, newer than all others and readable by its owner only; atomic.

    The algorithm defaults to that of the newest key that can sign, or ES256.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    others = sorted(_pem_files(folder), key=lambda file: order(file.name), reverse=True)
    before = newest_private(folder)
    default = before.alg if before else Algorithm.ES256
    key, pem = new_pem(algorithm or default, before)
    # mkstemp creates it with mode 0600, and the rename publishes a complete file.
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".", suffix=".draft")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        stats_before = _stats(others)
        if stats_before and os.geteuid() == 0:
            # Root creates keys for the service, which runs as another user and has to read them.
            os.chown(draft, stats_before[0].st_uid, stats_before[0].st_gid)
        written = max((at.st_mtime_ns for at in stats_before), default=0)
        if Path(draft).stat().st_mtime_ns <= written:
            # Processes of 0.2 take the file with the latest time for the newest.
            os.utime(draft, ns=(written + 1, written + 1))
        name = next_name(datetime.now(UTC), others[0].name if others else None, key.kid)
        return Path(draft).rename(folder / name)
    except BaseException as error:
        Path(draft).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = error.filename or str(folder)  # an error of writing names no file
        raise


def _stats(files: Iterable[Path]) -> list[os.stat_result]:
    stats = []
    for file in files:
        with suppress(OSError):  # it was just removed, or is a broken link
            stats.append(file.stat())
    return stats


def newest_private(folder: Path) -> SigningKey | None:
    """The newest key that can sign."""
    return next((entry.key for entry in key_entries(read_keys(folder).values()) if entry.key.private), None)


def _pem_files(folder: Path) -> list[Path]:
    """Unlike glob, raises OSError if the folder cannot be read."""
    return [file for file in folder.iterdir() if file.suffix == ".pem"]


def _read_file(file: Path, known: KeyFile | None) -> KeyFile:
    # Before reading: a change meanwhile is seen the next time.
    at = file.stat()
    stamp = (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
    if known is not None and known.stamp == stamp:
        return known
    changed = max(at.st_mtime_ns, at.st_ctime_ns)
    key_file = KeyFile(file=file, changed=changed, stamp=stamp, key=None)
    if not stat.S_ISREG(at.st_mode):
        # A pipe would block, and a device never end.
        return replace(key_file, problem=f"{file}: not a regular file")
    try:
        return replace(key_file, key=read_pem(file.read_bytes()))
    except FileNotFoundError:
        raise
    except OSError as error:
        # The file may become readable without changing.
        return replace(key_file, stamp=None, problem=_describe(file, error))
    except ValueError as error:
        return replace(key_file, problem=f"{file}: {error}")


def _describe(file: Path, error: OSError) -> str:
    return f"{file}: cannot be read ({error.strerror})"
