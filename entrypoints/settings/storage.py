"""Settings of the environment, the engines and the data folder."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from entrypoints.settings.files import in_root
from entrypoints.settings.reader import SettingsReader, running
from entrypoints.settings.setting import setting


def environment(text: str) -> str:
    if text not in {"development", "production"}:
        raise ValueError("must be development or production")
    return text


def postgres_url(text: str) -> str:
    from adapters.postgres.database_url import driver_url

    driver_url(text)
    return text


def redis_url(text: str) -> str:
    from adapters.redis.discovery import check_url

    check_url(text)
    return text


def split_url(text: str, schemes: Collection[str], wanted: str) -> SplitResult:
    """Raises ValueError(wanted). The message does not quote the text, which may contain a password."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not text.isprintable() or not text.isascii() or " " in text:
        raise ValueError(wanted)
    return parts


def _given_env(reader: SettingsReader) -> str:
    return reader.env


def _data_dir(reader: SettingsReader) -> Path:
    return reader.data_dir


@dataclass(frozen=True, kw_only=True, repr=False)
class Storage:
    env: Literal["development", "production"] = setting(
        "ENV",
        "`development` or `production`. Production generates no secrets and does not read `.env`",
        parse=environment,
        default=_given_env,
        shown="production; development for `make run`",
    )
    database_url: str = setting(
        "DATABASE_URL",
        "tested with PostgreSQL 18. Takes several hosts and libpq's options (`sslmode`, `sslrootcert`,"
        " `target_session_attrs`, `options`, …). Behind PgBouncer in transaction mode add `?pgbouncer=true`, set"
        " `server_login_retry = 1` there, and `statement_timeout` and `idle_in_transaction_session_timeout` on the"
        " role",
        parse=postgres_url,
        default=running("DATABASE_URL"),
        shown="embedded in `make run`",
    )
    redis_url: str = setting(
        "REDIS_URL",
        "tested with Valkey 8. `redis://`, `redis+sentinel://:password@host:26379,host2:26379/0?service=main` (and"
        " `&sentinel_password=`) or `redis+cluster://:password@host:6379,host2:6379`. All processes use the same"
        " database with `noeviction`, and nothing else does; all keys begin with `{latchkey}`",
        parse=redis_url,
        default=running("REDIS_URL"),
        shown="embedded in `make run`",
    )
    data_dir: Path = setting(
        "DATA_DIR",
        "data of `make run`: engines, secrets, mailbox",
        parse=in_root,
        default=_data_dir,
        shown="`.data`",
    )
