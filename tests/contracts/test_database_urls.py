"""Options of a PostgreSQL URL: libpq's options are followed, ignored, or refused in one line."""

import ssl

import pytest
from sqlalchemy import text

from adapters.postgres.database import Database
from adapters.postgres.database_url import behind_pgbouncer, driver_url

URL = "postgresql://ada:hunter2hunter2@db.example/accounts"


@pytest.mark.parametrize(
    "options",
    [
        "sslmode=require&channel_binding=require",  # Neon
        "sslmode=verify-full&sslrootcert=system",
        "connect_timeout=10&keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=5",
        "tcp_user_timeout=1000&gssencmode=disable&sslsni=1&sslcertmode=disable&client_encoding=utf8",
        "fallback_application_name=x&load_balance_hosts=random&min_protocol_version=3.0",
        "target_session_attrs=read-write",
        "ssl=require",
    ],
)
def test_a_documented_option_of_libpq_is_accepted(options: str) -> None:
    url, arguments = driver_url(f"{URL}?{options}")
    assert (url.host, url.database, dict(url.query)) == ("db.example", "accounts", {})
    assert not {*arguments} - {"dsn", "server_settings", "ssl"}


def test_options_are_translated_to_the_driver() -> None:
    def arguments(options: str) -> dict[str, object]:
        return driver_url(f"{URL}?{options}")[1]

    assert arguments("sslmode=require&sslsni=1")["dsn"] == "postgresql:///?sslmode=require"
    assert isinstance(arguments("sslrootcert=system")["ssl"], ssl.SSLContext)
    settings = arguments("application_name=billing&options=-c%20search_path%3Daccounts")["server_settings"]
    assert settings == {"application_name": "billing", "options": "-c search_path=accounts"}
    assert behind_pgbouncer(f"{URL}?pgbouncer=true")
    assert not behind_pgbouncer(f"{URL}?pgbouncer=false")
    url, _ = driver_url("postgresql:///?host=/run/postgresql&user=ada&password=x&dbname=accounts")
    assert (url.username, url.password, url.database, dict(url.query)) == (
        "ada",
        "x",
        "accounts",
        {"host": "/run/postgresql"},
    )


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("a,b", (["a", "b"], [5432, 5432])),
        ("a:1,b:2", (["a", "b"], [1, 2])),
        ("[::1]:1,b", (["::1", "b"], [1, 5432])),
    ],
)
def test_several_hosts_are_parsed(hosts: str, expected: tuple[list[str], list[int]]) -> None:
    url, arguments = driver_url(f"postgresql://ada:a%2Cb@{hosts}/accounts?target_session_attrs=primary")
    assert (arguments["host"], arguments["port"]) == expected
    assert (url.password, url.database) == ("a,b", "accounts")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"{URL}?replication=database", "has the option replication, which is not supported"),
        (f"{URL}?requirepeer=postgres", "has the option requirepeer, which is not supported"),
        (f"{URL}?schema=accounts", "has the option schema, which is not supported"),
        (f"{URL}?sslmode=on", "sslmode must be "),
        (f"{URL}?target_session_attrs=master", "target_session_attrs must be "),
        (f"{URL}?gssencmode=require", "gssencmode must be disable or prefer"),
        (f"{URL}?sslrootcert=/nowhere/ca.pem", "sslrootcert names a file that is not there"),
        (f"{URL}?sslrootcert=system&sslmode=require", "sslrootcert=system needs sslmode=verify-full"),
        (f"{URL}\n", "contains a line break"),
        (f"{URL}%0A", "contains a line break"),
        ("postgresql://ada:x@db.example%0a/accounts", "contains a line break"),
        ("postgresql://ada:x@a:1,b:x/accounts", "must look like"),
        (f"{URL}?Hunter2@there=1", "has an odd option"),
        ("mysql://db.example/accounts", "not a PostgreSQL URL"),
        ("postgresql://ada:x@db.example:99999/accounts", "has a port that is not between 1 and 65535"),
        ("postgresql://ada:x@a:1,b:65536/accounts", "must look like"),
        ("postgresql://ada:x@db.example/accounts?port=99999", "has a port that is not between 1 and 65535"),
        ("postgresql:///accounts?host=db.example:99999", "has a port that is not between 1 and 65535"),
        ("postgresql://ada:x@db.example/accounts?port=abc", "has a port that is not a number"),
        ("postgresql://ada:x@db.example:0/accounts", "has a port that is not between 1 and 65535"),
    ],
)
def test_unknown_option_is_named_without_the_password(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        driver_url(url)
    assert "hunter2" not in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.anyio
async def test_a_connection_opens_with_all_options(migrated: str) -> None:
    place, _, name = migrated.removeprefix("postgresql://").rpartition("/")
    credentials, _, host = place.rpartition("@")
    options = (
        "sslmode=prefer&channel_binding=prefer&connect_timeout=10&keepalives=1&target_session_attrs=read-write"
        "&application_name=billing&options=-c%20search_path%3Dpublic%20-c%20statement_timeout%3D1"
    )
    database = Database(f"postgresql://{credentials}@127.0.0.1:1,{host}/{name}?{options}")
    try:
        async with database.connection() as connection:
            told = [
                await connection.fetch_value(text(f"SHOW {setting}"))
                for setting in ("application_name", "search_path", "statement_timeout")
            ]
    finally:
        await database.close()
    assert told == ["billing", "public", "2s"]
