"""Secrets for development: generated once, kept in the data folder, readable by their owner only."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

DEVELOPMENT_KEYS = "encryption_key"
"""The file in the data folder with the list of encryption keys."""


def secret_key(folder: Path) -> bytes:
    return _secret(_home(folder) / "secret_key").read_bytes()


def encryption_keys(folder: Path) -> Path:
    return _secret(_home(folder) / DEVELOPMENT_KEYS)


def add_encryption_key(file: Path) -> None:
    """Put a new key at the front of the list."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(f"{secrets.token_hex(32)},{file.read_text()}")
    draft.rename(file)


def _secret(path: Path) -> Path:
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            os.link(draft, path)  # fails if another process was quicker; then its secret is used
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path


def signing_keys(folder: Path) -> Path:
    from adapters.tokens.key_files import make_key

    keys = _home(folder) / "keys"
    if not list(keys.glob("*.pem")):
        draft = Path(tempfile.mkdtemp(dir=folder, prefix=".keys."))
        make_key(draft)
        try:
            draft.rename(keys)  # fails if another process was quicker; then its key is used
        except OSError:
            shutil.rmtree(draft)
    return keys


def _home(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
