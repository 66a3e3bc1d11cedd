"""Translates rows of other systems."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from application.administration.import_users import ImportRow
from domain.role import Role

Read = Callable[[bytes, int], ImportRow]
"""Translates a JSON line and its number. Raises ValueError with the reason, which quotes no secret."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """The columns of our own format, in JSON Lines and CSV."""

    email: str
    username: str | None = None
    password_hash: str | None = None
    role: Role | None = None
    verified: bool | None = None
    disabled: bool | None = None
    created_at: str | None = None


class BetterAuthRow(msgspec.Struct, rename="camel"):
    """Columns of better-auth's `user` with the `password` of its `account`. Ignores others."""

    email: str
    username: str | None = None
    password: str | None = None
    role: str | None = None
    email_verified: bool = False
    banned: bool | None = None
    created_at: str | None = None


class FirebaseRow(msgspec.Struct, rename="camel"):
    """An entry of `users` in the JSON of `firebase auth:export`. Ignores other fields."""

    email: str
    email_verified: bool = False
    password_hash: str | None = None
    salt: str | None = None
    disabled: bool = False
    created_at: str | None = None


COLUMNS = Row.__struct_fields__


def from_cells(cells: Mapping[str, str], line: int) -> ImportRow:
    """Translates a row of CSV. An empty cell means that the value is missing. Raises ValueError."""
    fields: dict[str, str | bool] = {"email": "", **{name: cell for name, cell in cells.items() if cell}}
    fields.update({name: _truth(name, cells[name]) for name in ("verified", "disabled") if name in fields})
    return _import_row(msgspec.convert(fields, Row), line)


def from_json(text: bytes, line: int) -> ImportRow:
    return _import_row(msgspec.json.decode(text, type=Row), line)


def from_better_auth(text: bytes, line: int) -> ImportRow:
    row = msgspec.json.decode(text, type=BetterAuthRow)
    return ImportRow(
        line=line,
        email=row.email,
        username=row.username,
        password_hash=row.password or "",
        role=Role.MEMBER if row.role in {None, "", "user"} else Role(row.role),
        verified=row.email_verified,
        disabled=row.banned or False,
        created_at=_moment(row.created_at),
    )


def from_firebase(parameters: str) -> Read:
    """Parses the "password hash parameters" of a Firebase project, as its console shows them. Raises ValueError."""
    given = dict(re.findall(r"(\w+)\s*:\s*\"?([A-Za-z0-9+/=_-]+)", parameters))
    try:
        key, separator = _standard(given["base64_signer_key"]), _standard(given["base64_salt_separator"])
        settings = f"$fbscrypt$v=1,n={given['mem_cost']},r={given['rounds']},p=1,ss={separator},sk={key}"
    except KeyError as missing:
        raise ValueError(f"{missing.args[0]} is missing") from None
    return partial(_from_firebase, settings)


def _from_firebase(settings: str, text: bytes, line: int) -> ImportRow:
    row = msgspec.json.decode(text, type=FirebaseRow)
    digest = f"{settings}${_standard(row.salt or '')}${_standard(row.password_hash)}" if row.password_hash else ""
    return ImportRow(
        line=line,
        email=row.email,
        password_hash=digest,
        verified=row.email_verified,
        disabled=row.disabled,
        created_at=None if row.created_at is None else _EPOCH + timedelta(milliseconds=int(row.created_at)),
    )


def _import_row(row: Row, line: int) -> ImportRow:
    return ImportRow(
        line=line,
        email=row.email,
        username=row.username,
        password_hash=row.password_hash or "",
        role=row.role or Role.MEMBER,
        verified=row.verified or False,
        disabled=row.disabled or False,
        created_at=_moment(row.created_at),
    )


def _truth(name: str, word: str) -> bool:
    try:
        return _WORDS[word.lower()]
    except KeyError:
        raise ValueError(f"{name} is neither true nor false") from None


def _moment(text: str | None) -> datetime | None:
    """Parses ISO 8601; UTC if it names no time zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("created_at is no time as ISO 8601 writes it") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _standard(base64: str) -> str:
    """Accepts both base64 alphabets: Firebase uses one in exports and the other in its APIs."""
    return base64.replace("-", "+").replace("_", "/")
