"""Database URLs with the options of libpq (PostgreSQL manual, 34.1.2)."""

import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_UNDERSTOOD = {
    "gsslib",
    "krbsrvname",
    "passfile",
    "service",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "target_session_attrs",
}
"""Options that the driver reads from its own URL."""

_SET_ASIDE = {
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslkeylogfile",
    "sslsni",
    "tcp_user_timeout",
}
"""Options that are ignored: we set deadlines of our own, and the driver negotiates the rest."""

_VALUES = {
    "gssencmode": {"disable", "prefer"},  # the driver never encrypts by GSSAPI
    "pgbouncer": {"true", "false"},
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    "target_session_attrs": {"any", "primary", "standby", "read-write", "read-only", "prefer-standby"},
}
_OF_URL = {"user": "username", "password": "password", "dbname": "database"}
_FILES = ("sslcert", "sslcrl", "sslkey", "sslrootcert")
_HOSTS = re.compile(r"(?P<before>\w[\w+]*://(?:[^/?#]*@)?)(?P<hosts>[^/?#@]*,[^/?#@]*)")


def driver_url(url: str) -> tuple[URL, dict[str, Any]]:
    """The URL and the other arguments for the driver. Takes Prisma's `pgbouncer=true` too. Raises ValueError
    for other databases and unsupported options."""
    if not url.isprintable():
        raise ValueError("contains a line break or another invisible character; remove it")
    several = _HOSTS.match(url)
    hosts = [_host(host) for host in several["hosts"].split(",")] if several else []
    if several:
        url = f"{several['before']}{several['hosts'].split(',')[0]}{url[several.end() :]}"
    try:
        parsed = make_url(url)
    except Exception as error:
        raise ValueError("not a database URL") from error
    if parsed.drivername not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError("not a PostgreSQL URL")
    query = {name: value if isinstance(value, str) else value[-1] for name, value in parsed.query.items()}
    if not isinstance(parsed.query.get("host", ""), str):
        hosts = [_host(host) for host in parsed.query["host"]]
        del query["host"]
    for part in (parsed.host, parsed.database, parsed.username, *query.values()):
        if part is not None and not unquote(part).isprintable():
            raise ValueError("contains a line break or another invisible character; remove it")
    driver, arguments = _with_options(parsed, query, hosts)
    try:
        port = _options_of(driver).get("port", 5432)
    except ArgumentError as error:
        raise ValueError("has a port that is not a number") from error
    ports = port if isinstance(port, list) else [port]
    if parsed.port == 0 or not all(0 < number < 65536 for number in ports):  # SQLAlchemy leaves out a port of 0
        raise ValueError("has a port that is not between 1 and 65535")
    return driver, arguments


def _options_of(url: URL) -> dict[str, Any]:
    """What the driver reads from its URL."""
    _, options = url.get_dialect()().create_connect_args(url)
    return dict(options)


def driver_arguments(url: str) -> dict[str, Any]:
    """Arguments for `asyncpg.connect`."""
    parsed, arguments = driver_url(url)
    both = {**_options_of(parsed), **arguments}
    return {name: option for name, option in both.items() if not name.startswith("prepared_statement_")}


def server_name(url: str) -> str:
    """Host and port, without secrets."""
    parsed, _ = driver_url(url)
    return f"{parsed.host or 'localhost'}:{parsed.port or 5432}"


def behind_pgbouncer(url: str) -> bool:
    """Whether PgBouncer is in between, which assigns a server connection for each transaction."""
    return driver_url(url)[1].get("statement_cache_size") == 0


def _with_options(parsed: URL, query: dict[str, str], hosts: list[tuple[str, int]]) -> tuple[URL, dict[str, Any]]:
    arguments: dict[str, Any] = {"server_settings": {}}
    if hosts:
        arguments |= {"host": [host for host, _ in hosts], "port": [port for _, port in hosts]}
    if "ssl" in query:  # the spelling in SQLAlchemy's documentation
        query.setdefault("sslmode", query.pop("ssl"))
    for name, values in _VALUES.items():
        if query.get(name, min(values)) not in values:
            raise ValueError(f"{name} must be {' or '.join(sorted(values))}")
    query.pop("gssencmode", None)
    if query.pop("pgbouncer", "false") == "true":
        # Each transaction may use another server connection, without our prepared statements, so they are not named.
        arguments |= {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
        }
    if query.get("sslrootcert") == "system":
        if query.pop("sslmode", "verify-full") != "verify-full":
            raise ValueError("sslrootcert=system needs sslmode=verify-full")
        del query["sslrootcert"]
        arguments["ssl"] = ssl.create_default_context()
    for name in _FILES:
        if name in query and not Path(query[name]).expanduser().is_file():
            raise ValueError(f"{name} names a file that is not there")
    for name in ("application_name", "options"):
        if name in query:
            arguments["server_settings"][name] = query.pop(name)
    understood = {name: query.pop(name) for name in sorted(_UNDERSTOOD & query.keys())}
    if understood:
        arguments["dsn"] = f"postgresql:///?{urlencode(understood)}"
    components: dict[str, Any] = {"drivername": "postgresql+asyncpg"}
    components |= {of_url: query.pop(name) for name, of_url in _OF_URL.items() if name in query}
    if (address := query.pop("hostaddr", None)) and not parsed.host:
        components["host"] = address
    unknown = {name: value for name, value in query.items() if name not in _SET_ASIDE}
    for name in unknown.keys() - {"host", "port"}:
        # Text that is not an option's name may be the rest of a password.
        raise ValueError(f"has the option {name}, which is not supported" if _is_name(name) else "has an odd option")
    return parsed.set(query=unknown, **components), arguments


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[a-z][a-z_]{0,40}", text) is not None


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if re.search(r"(?<=[^:]):\d*$|\]:\d*$", text) else (text, "", "")
    if not host or (":" in host and not host.startswith("[")) or (port and not 0 < int(port) < 65536):
        raise ValueError("must look like postgresql://user:password@host1:5432,host2:5432/name")
    return host.strip("[]"), int(port or 5432)
