"""Every setting has a default in development and is validated; production has no default secrets."""

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from unicodedata import normalize
from uuid import UUID

import pytest

from adapters.no_rate_limiter import NoRateLimiter
from adapters.redis.rate_limiter import RedisRateLimiter
from adapters.tokens.key_files import make_key
from adapters.tokens.pem_keys import Algorithm
from application.ports import PasswordMatch
from domain.invitation import RegistrationMode
from domain.outbox import MailKind, OutboxMail, RenderedMail
from domain.refusals import Refusal
from domain.role import Role
from entrypoints.container import Container
from entrypoints.devserver.run import environment
from entrypoints.factories import make_composer, make_mailer
from entrypoints.settings import Settings, SettingsError, load
from entrypoints.settings.development_secrets import add_encryption_key
from entrypoints.settings.passwords import argon2
from entrypoints.settings.settings import ROWS
from entrypoints.settings.tokens import secrets as parse_secrets
from tests.support.key_files import load_keys
from tests.support.service import ROOT
from tests.support.translations import TRANSLATIONS

GOOD = sha256(b"any").hexdigest()
ANDROID = f"android:apk-key-hash:{'aB_-' * 10}xyz"
ENCRYPTION_KEY = sha256(b"other").hexdigest()
VARIABLES = {row.variable for row in ROWS.values()}


@pytest.fixture
def development(tmp_path: Path) -> dict[str, str]:
    """The environment of a developer while `make run` runs."""
    return {
        "LATCHKEY_ENV": "development",
        "LATCHKEY_DATA_DIR": str(tmp_path / "data"),
        "LATCHKEY_DATABASE_URL": "postgresql://me:hunter2hunter2@127.0.0.1/latchkey",
        "LATCHKEY_REDIS_URL": "redis://:hunter2hunter2@127.0.0.1:6379/0",
    }


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """The required settings of production."""
    make_key(tmp_path / "keys")
    return {
        "LATCHKEY_ENV": "production",
        "LATCHKEY_DATA_DIR": str(tmp_path / "data"),
        "LATCHKEY_DATABASE_URL": "postgresql://latchkey:hunter2hunter2@db.internal:5432/latchkey?sslmode=require",
        "LATCHKEY_REDIS_URL": "rediss://:hunter2hunter2@redis.internal:6379/0",
        "LATCHKEY_SMTP_URL": "smtp://mailer:hunter2hunter2@smtp.internal:587?tls=starttls",
        "LATCHKEY_MAIL_FROM": "Accounts <no-reply@good.example>",
        "LATCHKEY_PUBLIC_URL": "https://accounts.good.example",
        "LATCHKEY_SECRET_KEY": GOOD,
        "LATCHKEY_SIGNING_KEYS": str(tmp_path / "keys"),
        "LATCHKEY_ENCRYPTION_KEYS": ENCRYPTION_KEY,
    }


def errors_of(environ: dict[str, str]) -> dict[str, str]:
    """The error of each variable."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    lines = str(caught.value).splitlines()
    assert "hunter2" not in str(caught.value)
    return dict(line.split(": ", 1) for line in lines)


def test_development_requires_only_the_engine_urls(development: dict[str, str], tmp_path: Path) -> None:
    settings = load(development)
    assert settings.development
    assert (settings.host, settings.port, settings.processes) == ("127.0.0.1", 8000, 1)
    assert settings.public_url == "http://localhost:8000"
    assert (settings.access_ttl, settings.refresh_ttl) == (timedelta(minutes=10), timedelta(days=7))
    assert (settings.session_ttl, settings.max_sessions) == (timedelta(days=30), 100)
    assert settings.password_min_length == 15
    assert str(settings.argon2) == "m=19456,t=2,p=1"
    assert (settings.cors_origins, settings.allowed_hosts, settings.trusted_proxies) == ((), (), ())
    assert (settings.smtp_url, settings.mail_dir) == (None, None)
    assert settings.rate_limits
    assert settings.key_delay == timedelta(seconds=5)
    assert settings.data_dir == tmp_path / "data"


def test_default_key_delay_of_production_is_a_minute(production: dict[str, str]) -> None:
    assert load(production).key_delay == timedelta(minutes=1)


def test_urls_of_make_run_are_read_from_the_data_folder(development: dict[str, str], tmp_path: Path) -> None:
    url = development.pop("LATCHKEY_DATABASE_URL")
    assert errors_of(development) == {"LATCHKEY_DATABASE_URL": "must be set"}
    shared_service = tmp_path / "data" / "running.json"
    shared_service.write_text(f'{{"LATCHKEY_DATABASE_URL": "{url}"}}')
    assert load(development).database_url == url
    shared_service.write_text("half a fi")
    assert errors_of(development) == {"LATCHKEY_DATABASE_URL": "must be set"}


def test_development_secrets_are_created_once_and_private(development: dict[str, str]) -> None:
    first, second = load(development), load(development)
    assert first == second
    assert len(first.secret_keys[0]) >= 32
    assert len(first.encryption_keys[0]) >= 32
    assert len(load_keys(first.signing_keys)) == 1
    for path in (first.data_dir, *first.data_dir.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_concurrent_processes_agree_on_the_secrets(development: dict[str, str]) -> None:
    script = (
        "import sys; from entrypoints.settings import load; from tests.support.key_files import load_keys\n"
        "print('ready', flush=True); sys.stdin.readline(); s = load()\n"
        "print(s.secret_keys[0].decode(), s.encryption_keys[0].decode(), end=' ')\n"
        "print([key.kid for key in load_keys(s.signing_keys)], flush=True)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, **development},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert len(set(outputs)) == 1, outputs
    assert outputs[0].count("'") == 2
    assert sorted(path.name for path in Path(development["LATCHKEY_DATA_DIR"]).iterdir()) == [
        "encryption_key",
        "keys",
        "secret_key",
    ]


def test_production_reads_everything_from_the_environment(production: dict[str, str]) -> None:
    settings = load(production | {"LATCHKEY_SECRET_KEY": f"{GOOD}, {GOOD[::-1]}"})
    assert not settings.development
    assert settings.secret_keys == (GOOD.encode(), GOOD[::-1].encode())
    assert settings.processes == os.cpu_count()
    assert settings.public_url == "https://accounts.good.example"
    assert not settings.data_dir.exists()


def test_production_is_the_default(production: dict[str, str]) -> None:
    del production["LATCHKEY_ENV"]
    assert load(production).env == "production"
    assert load(production, default_env="development").env == "development"
    assert errors_of(production | {"LATCHKEY_ENV": "staging"}) == {
        "LATCHKEY_ENV": "must be development or production"
    }


def test_production_names_every_missing_setting_together() -> None:
    for environ in ({}, {"LATCHKEY_SECRET_KEY": "", "LATCHKEY_DATABASE_URL": ""}):
        assert errors_of({"LATCHKEY_ENV": "production", **environ}) == dict.fromkeys(
            (
                "LATCHKEY_DATABASE_URL",
                "LATCHKEY_REDIS_URL",
                "LATCHKEY_PUBLIC_URL",
                "LATCHKEY_SECRET_KEY",
                "LATCHKEY_SIGNING_KEYS",
            ),
            "must be set",
        )


def test_default_sender_is_no_reply_at_the_public_host(production: dict[str, str]) -> None:
    assert load(production).mail_from == "Accounts <no-reply@good.example>"
    del production["LATCHKEY_MAIL_FROM"]
    for url, host in (
        ("https://accounts.good.example/x", "accounts.good.example"),
        ("http://127.0.0.1:8000", "localhost"),
        ("https://[2001:db8::1]", "localhost"),
    ):
        assert load(production | {"LATCHKEY_PUBLIC_URL": url}).mail_from == f"no-reply@{host}"


def test_product_name_and_url_follow_the_settings(production: dict[str, str]) -> None:
    plain = load(production)
    assert (plain.name, plain.product_url, plain.link_url) == ("Latchkey", None, None)
    for name in ('Ada "&" Sons', "<b>Paper</b>", "Gro\u0308\u00dfe", "\U0001f511 Paper", "x" * 100, "{product}"):
        assert load(production | {"LATCHKEY_NAME": f" {name} "}).name == normalize("NFC", name)
    for url in ("https://app.good.example", "https://app.good.example/#/home?x=1", "http://localhost:3000/app"):
        assert load(production | {"LATCHKEY_PRODUCT_URL": url}).product_url == url
    for url in (
        "https://h/{purpose}?token={token}",
        "https://h/#/{purpose}/{token}",
        "https://h/?{token}&x={purpose}",
    ):
        assert load(production | {"LATCHKEY_LINK_URL": url}).link_url == url


def test_links_in_mails_follow_the_link_url(production: dict[str, str]) -> None:
    mail = OutboxMail.queued(MailKind.RESET, "ada@example.org", id=UUID(int=1), now=datetime(2026, 3, 1, tzinfo=UTC))
    for template, link in (
        ("", "https://accounts.good.example/reset?token=t"),
        ("https://app.good.example/#/{purpose}/{token}", "https://app.good.example/#/reset/t"),
    ):
        letter = make_composer(load(production | {"LATCHKEY_LINK_URL": template}), TRANSLATIONS).compose(mail, "t")
        assert link in letter.text.splitlines()


def test_product_name_is_the_default_name_of_the_sender(production: dict[str, str], tmp_path: Path) -> None:
    letter = RenderedMail(
        id=UUID(int=1),
        recipient="ada@example.org",
        subject="x",
        text="x",
        html="x",
        written_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    names = {"no-reply@good.example": 'Ada "&" Größe', "Accounts <no-reply@good.example>": "Accounts"}
    for mail_from, name in names.items():
        said = {"LATCHKEY_NAME": 'Ada "&" Größe', "LATCHKEY_MAIL_FROM": mail_from}
        folder = tmp_path / name[:1] / mail_from[:1]
        settings = load(production | said | {"LATCHKEY_MAIL_DIR": str(folder), "LATCHKEY_SMTP_URL": ""})
        asyncio.run(make_mailer(settings).send(letter))
        [path] = folder.glob("*.eml")
        [sender] = message_from_bytes(path.read_bytes(), policy=policy.default)["from"].addresses
        assert (sender.display_name, sender.addr_spec) == (name, "no-reply@good.example")


def test_password_of_the_product_name_is_weak(production: dict[str, str]) -> None:
    rules = Container(settings=load(production | {"LATCHKEY_NAME": "Zweistein & Söhne"})).policy()
    for password in ("zweistein-2026-!!", "SöhneSöhneZweistein", "zweistein söhne 1234"):
        with pytest.raises(Refusal) as refused:
            rules.accept(password)
        assert refused.value.code == "password_weak"
    assert rules.accept("latchkey-2026-!!xy") == "latchkey-2026-!!xy"


def test_only_the_worker_needs_a_mail_server(production: dict[str, str], tmp_path: Path) -> None:
    del production["LATCHKEY_SMTP_URL"]
    with pytest.raises(ValueError, match="LATCHKEY_SMTP_URL: must be set"):
        Container(settings=load(production)).mailer()
    with pytest.raises(SettingsError, match="LATCHKEY_SMTP_URL: must be set"):
        load(production, mails=True)
    settings = load(production | {"LATCHKEY_MAIL_DIR": str(tmp_path)})
    assert settings.mail_dir == tmp_path
    assert Container(settings=settings).mailer()


@pytest.mark.parametrize(
    "weak",
    [
        *("x", "a" * 32, "a" * 100, "ab" * 32, "0123456789abcdef" * 2, GOOD[:31], f"{GOOD},x", f"{GOOD},{GOOD}", ","),
        *(
            f"{GOOD}changeme",
            f"Change-Me-{GOOD}",
            "changeme" * 8,
            "an-example-secret-that-somebody-copied-0123456789",
        ),
        *("my-password-is-long-enough-0123456789", "please-replace-this-with-random-bytes-123"),
        *(
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210",
            "qwertyuiop[asdfghjkl]zxcvbnm,./!?",
        ),
        *(
            "0123456789abcdef0123456789abcdeg",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaabcdefghij",
            "qwertyuiopasdfghjklzxcvbnm1234567890",
        ),
        *(
            "your-256-bit-Secret-goes-right-here",
            "this-is-an-insecure-development-key-1",
            "put_your_own_long_random_text_here_7",
        ),
    ],
)
def test_guessable_secret_is_refused(production: dict[str, str], weak: str) -> None:
    said = errors_of(production | {"LATCHKEY_SECRET_KEY": weak})
    assert set(said) == {"LATCHKEY_SECRET_KEY"}
    assert weak not in said["LATCHKEY_SECRET_KEY"] or len(weak) < 3


def test_random_secret_is_never_refused_as_weak(production: dict[str, str]) -> None:
    for make in (
        secrets.token_hex,
        secrets.token_urlsafe,
        lambda size: b64encode(secrets.token_bytes(size)).decode(),
    ):
        for _ in range(1000):
            assert parse_secrets(f"{make(32)}, {make(48)}")
    assert load(production | {"LATCHKEY_SECRET_KEY": secrets.token_urlsafe(32)})


@pytest.mark.parametrize(
    "wide", ["0.0.0.0/0", "0.0.0.0/1,128.0.0.0/1", "10.0.0.0/7", "::/0", "2000::/3", "2a00::/11"]
)
def test_production_refuses_a_wide_range_of_proxies(
    production: dict[str, str], development: dict[str, str], wide: str
) -> None:
    problems = errors_of(production | {"LATCHKEY_TRUSTED_PROXIES": f"192.0.2.1,{wide}"})
    assert wide.split(",")[0] in problems["LATCHKEY_TRUSTED_PROXIES"]
    assert load(development | {"LATCHKEY_TRUSTED_PROXIES": wide})


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("DATABASE_URL", ["hunter2", "mysql://me:hunter2@h/d", "sqlite://", "http://h", "postgresql"]),
        ("REDIS_URL", ["hunter2", "http://h", "redis://", "redis://:hunter2@h:x", "redis://h:99999", "redis://[h"]),
        (
            "REDIS_URL",
            ["redis+sentinel://:hunter2@h:1/0", "redis+sentinel://h/0?service=m", "redis+sentinel://?service=m"],
        ),
        (
            "REDIS_URL",
            ["redis+sentinel://h:1/x?service=m", "redis+sentinel://h:1/0?service=m&sentinel_pasword=hunter2"],
        ),
        (
            "REDIS_URL",
            ["redis+cluster://:hunter2@h:1,", "redis+cluster://h:1/1", "redis+x://h:1", "redis+cluster://h:0"],
        ),
        ("SMTP_URL", ["hunter2", "http://h", "smtp://", "smtp://u:hunter2@h:x", "smtp://u@h", "smtp://h?tls=maybe"]),
        ("NAME", [" ", "a\nb", "a\r\nBcc: x@y.z", "a\tb", "a\0b", "a\u202eb", "a\u2028b", "\ud800", "x" * 101]),
        (
            "PRODUCT_URL",
            [
                *("app.example.org", "//h", "https://", "javascript:alert(1)", "ftp://h", "http://app.good.example"),
                *("https://me:hunter2@h", "https://h/x y", "https://h\n", 'https://h/"><script>', "https://h/<b>"),
            ],
        ),
        (
            "LINK_URL",
            [
                *("https://app.good.example", "https://h/{purpose}", "https://h/?token={token}", "{purpose}{token}"),
                *("https://{purpose}.h/?token={token}", "https://h{purpose}?token={token}", "//h/{purpose}/{token}"),
                *("https://h/{purpose}/{token}/{token}", "https://h/{purpose}/{purpose}?token={token}"),
                *("https://h/{purpose}/{user}?token={token}", "http://app.good.example/{purpose}?token={token}"),
                *("javascript:{purpose}{token}", "https://me:hunter2@h/{purpose}?token={token}"),
            ],
        ),
        ("MAIL_FROM", ["nobody", "a@b, c@d", "a@b\r\nBcc: c@d", "<a@b", "@", "Name <>"]),
        (
            "PUBLIC_URL",
            [
                *(
                    "accounts.good.example",
                    "//h",
                    "https://",
                    "ftp://h",
                    "javascript://h",
                    "https://h?x",
                    "https://h/..",
                    "https://h//x",
                    "https://h/./x",
                    "https://h#x",
                ),
                *("http://accounts.good.example", "http://localhost.evil.example", "https://h:x", "https://h:99999"),
                *(
                    "https://me:hunter2@h",
                    "https://good.example evil.example",
                    "https://h\n",
                    "https://[h",
                    "https://ı.example",
                    *(
                        "https://h/?",
                        "https://h#",
                        "HTTPS://h",
                        "https://H",
                        "https://.",
                        "https://h.",
                        "https://-",
                        "https://h:",
                    ),
                    *(
                        "https://h,https://i",
                        "https://h/,",
                        "https://h/'",
                        'https://h/"><script>',
                        "https://h_i",
                        "https://*",
                    ),
                    *(
                        "https://h\\@i",
                        "https://h/x y",
                        "https://h/%0d%0aX:1",
                        "https:h",
                        "https:///h",
                        "https://[::g]",
                    ),
                ),
            ],
        ),
        ("SIGNING_KEYS", ["/nowhere/at/all", "/dev/null"]),
        ("ENCRYPTION_KEYS", ["hunter2", "a" * 64, GOOD, f"{GOOD[::-1]},{GOOD}", f"{GOOD[::-1]},{GOOD[::-1]}"]),
        (
            "RP_ID",
            [
                *(
                    "https://good.example",
                    "good.example:443",
                    "good.example/",
                    "GOOD.example",
                    "*.good.example",
                    ".",
                    "-",
                ),
                *("127.0.0.1", "[::1]", "::1", "example", "good.example.", ".good.example", "a" * 64 + "." * 200),
                *("other.example", "x.accounts.good.example", "ounts.good.example", "localhost"),
            ],
        ),
        (
            "PASSKEY_ORIGINS",
            [
                *("*", "null", "app.good.example", "https://app.good.example/", "https://h/x", "https://me@h"),
                *("HTTPS://h", "https://h:0", "https://h?x", "http://app.good.example", "capacitor://localhost"),
                *("android:apk-key-hash:short", f"android:apk-key-hash:{'a' * 44}", f"ios:bundle-id:{'a' * 43}"),
            ],
        ),
        ("STEP_UP_TTL", ["0", "-1", "x", "3601", "5m"]),
        ("REGISTRATION", ["on", "off", "Open", "open,invited"]),
        ("REQUIRE_FACTOR", ["on", "all", "Admin", "user", "member,admin", "none"]),
        (
            "AUDIENCE",
            [
                "two words",
                ":x",
                "1:2",
                "h\u00e9",
                "a\nb",
                "a,b c",
                "x" * 1001,
                ",".join("x" * 99 + str(n) for n in range(11)),
            ],
        ),
        ("ACCESS_TTL", ["0", "-1", "x", "1.5", "600s", "٣", "1e3", "9" * 5000, "99999999999"]),
        ("REFRESH_TTL", ["0", "-1", "x", "7d"]),
        ("SESSION_TTL", ["0", "-1", "x"]),
        (
            "ARGON2",
            [
                *("x", "19456,2,1", "m=19456,t=2", "m=19456,t=2,p=4", "m=19456, t=2, p=1", "m=-1,t=2,p=1"),
                *("m=19455,t=2,p=1", "m=47103,t=1,p=1", "m=12287,t=3,p=1", "m=7167,t=99,p=1", "m=0,t=2,p=1"),
                *("m=131073,t=2,p=1", "m=131072,t=9,p=1", "m=999999,t=1,p=1", "m=19456,t=2,p=1\n"),
            ],
        ),
        ("MAX_SESSIONS", ["0", "1001", "-1", "x", "5.0"]),
        ("METRICS_TOKEN", ["short", "x" * 15, "with a space in it", "x" * 16 + "\n", "x" * 16 + "\u00e9", "=" * 20]),
        ("PASSWORD_MIN_LENGTH", ["0", "7", "65", "x", "-15"]),
        (
            "CORS_ORIGINS",
            [
                *(
                    "*",
                    "https://*.good.example",
                    "good.example",
                    "null",
                    "https://good.example/",
                    "https://good.example/x",
                ),
                *(
                    "https://me@good.example",
                    "https://h:x",
                    "HTTPS://GOOD.example",
                    "https://GOOD.example",
                    "https://a.example b.example",
                ),
                *(
                    "capacitor://localhost/",
                    "capacitor:localhost",
                    "capacitor://",
                    "file://",
                    "file://localhost",
                    "https://h:0",
                    "https://h:65536",
                    "https://h?x",
                    "https://h/..",
                    "https://h//x",
                    "https://h/./x",
                    "https://h#x",
                ),
            ],
        ),
        (
            "ALLOWED_HOSTS",
            ["*", "https://good.example", "good.example:443", "good.example/", "a b", "::1", "*.good.example"],
        ),
        (
            "TRUSTED_PROXIES",
            [
                "*",
                "x",
                "10.0.0.1/8",
                "10.0.0.0/33",
                "all",
                "proxy.internal",
                "10.0.0.1-10.0.0.9",
                "::ffff:0:0/96",
                "::ffff:10.0.0.1",
                "fe80::1%eth0",
            ],
        ),
        ("RATE_LIMITS", ["off", "ON", "true", "0", "no", "none"]),
        ("PORT", ["0", "65536", "x", "-1", "80.0"]),
        ("HOST", ["[::1", "[localhost]", "127.0.0.1:80", "[::1]:80", "http://127.0.0.1", "*", "a b", "-", "::1::"]),
        ("PROCESSES", ["0", "x", "257", "-1"]),
    ],
)
def test_invalid_value_is_reported_by_its_setting(production: dict[str, str], name: str, bad: list[str]) -> None:
    for value in bad:
        assert set(errors_of(production | {f"LATCHKEY_{name}": value})) == {f"LATCHKEY_{name}"}, value


def test_all_invalid_settings_are_reported_together(production: dict[str, str]) -> None:
    wrong = {
        "LATCHKEY_PORT": "x",
        "LATCHKEY_SECRET_KEY": "short",
        "LATCHKEY_TRUSTED_PROXIES": "x",
        "LATCHKEY_ENV": "x",
    }
    assert set(errors_of(production | wrong)) == set(wrong)


def test_every_setting_is_read(production: dict[str, str], tmp_path: Path) -> None:
    settings = load(
        production
        | {
            "LATCHKEY_ACCESS_TTL": "60",
            "LATCHKEY_REFRESH_TTL": "3600",
            "LATCHKEY_SESSION_TTL": "7200",
            "LATCHKEY_MAX_SESSIONS": "5",
            "LATCHKEY_PASSWORD_MIN_LENGTH": "20",
            "LATCHKEY_ARGON2": "m=131072,t=8,p=1",
            "LATCHKEY_CORS_ORIGINS": "https://app.good.example, http://localhost:3000",
            "LATCHKEY_ALLOWED_HOSTS": "Accounts.good.example, [::1]",
            "LATCHKEY_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8, 192.0.2.7",
            "LATCHKEY_HOST": "0.0.0.0",
            "LATCHKEY_PORT": "9000",
            "LATCHKEY_PROCESSES": "3",
            "LATCHKEY_MAIL_DIR": str(tmp_path / "mail"),
            "LATCHKEY_PUBLIC_URL": "https://good.example/accounts/",
            "LATCHKEY_AUDIENCE": "https://api.good.example, notes,urn:example:x , notes",
            "LATCHKEY_ENCRYPTION_KEYS": f"{ENCRYPTION_KEY}, {GOOD[::-1]}",
            "LATCHKEY_RP_ID": "good.example",
            "LATCHKEY_PASSKEY_ORIGINS": f"https://app.good.example:443, {ANDROID}, https://app.good.example",
            "LATCHKEY_STEP_UP_TTL": "60",
            "LATCHKEY_REQUIRE_FACTOR": "moderator",
            "LATCHKEY_REGISTRATION": "invited",
        }
    )
    assert settings.encryption_keys == (ENCRYPTION_KEY.encode(), GOOD[::-1].encode())
    assert (settings.rp_id, settings.passkey_domain) == ("good.example", "good.example")
    assert settings.passkey_origins == ("https://app.good.example", ANDROID)
    assert settings.related_origins == ("https://app.good.example",)
    assert settings.all_passkey_origins == ("https://good.example", "https://app.good.example", ANDROID)
    assert (settings.step_up_ttl, settings.factor_required_from) == (timedelta(seconds=60), Role.MODERATOR)
    assert settings.registration is RegistrationMode.INVITED
    assert settings.audience == ("https://api.good.example", "notes", "urn:example:x")
    assert (settings.access_ttl, settings.refresh_ttl) == (timedelta(seconds=60), timedelta(hours=1))
    assert (settings.session_ttl, settings.password_min_length) == (timedelta(hours=2), 20)
    assert settings.argon2 == (131_072, 8, 1)
    assert settings.max_sessions == 5
    assert Container(settings=settings).lifetimes().sessions == 5
    assert settings.cors_origins == ("https://app.good.example", "http://localhost:3000")
    assert settings.allowed_hosts == ("accounts.good.example", "[::1]")
    assert settings.trusted_proxies == tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8", "192.0.2.7")))
    assert (settings.host, settings.port, settings.processes) == ("0.0.0.0", 9000, 3)
    assert settings.mail_dir == tmp_path / "mail"
    assert settings.public_url == "https://good.example/accounts"
    for url in (
        *("http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000", "https://xn--bcher-kva.example:8443"),
        *("https://good.example/a/b-c_d.e~f", "https://1.2.good.example"),
    ):
        assert load(production | {"LATCHKEY_PUBLIC_URL": url}).public_url == url


def test_the_newest_key_of_a_folder_signs_and_all_verify(production: dict[str, str], tmp_path: Path) -> None:
    make_key(tmp_path / "keys")
    newest = make_key(tmp_path / "keys")
    os.utime(newest, (0, 0))
    keys = load_keys(load(production).signing_keys)
    assert len(keys) == 3
    assert keys[0].kid in newest.name
    alone = load(production | {"LATCHKEY_SIGNING_KEYS": str(newest)})
    assert [key.kid for key in load_keys(alone.signing_keys)] == [keys[0].kid]


def test_invalid_signing_key_is_reported_by_its_file(production: dict[str, str], tmp_path: Path) -> None:
    for name, content in (
        ("empty", b""),
        ("noise", b"hunter2"),
        ("broken", b"-----BEGIN PRIVATE KEY-----\nhunter2\n"),
    ):
        path = tmp_path / f"{name}.pem"
        path.write_bytes(content)
        said = errors_of(production | {"LATCHKEY_SIGNING_KEYS": str(path)})
        assert str(path) in said["LATCHKEY_SIGNING_KEYS"]
    (tmp_path / "none").mkdir()
    assert "LATCHKEY_SIGNING_KEYS" in errors_of(production | {"LATCHKEY_SIGNING_KEYS": str(tmp_path / "none")})


def test_development_signs_with_es256_and_keeps_its_key(development: dict[str, str], tmp_path: Path) -> None:
    [made] = load_keys(load(development).signing_keys)
    assert made.alg == "ES256"
    keys = tmp_path / "data" / "keys"
    for file in keys.iterdir():
        file.unlink()
    make_key(keys, Algorithm.EDDSA)
    [key] = load_keys(load(development).signing_keys)
    assert key.alg == "EdDSA"


# -- settings by file --------------------------------------------------------------------------------------


def by_file(environ: dict[str, str], folder: Path, *, end: str = "\n") -> dict[str, str]:
    """The same settings, each in a file of its own."""
    folder.mkdir()
    for name, value in environ.items():
        (folder / name).write_text(value + end)
    return {f"{name}_FILE": str(folder / name) for name in environ}


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_any_setting_may_be_read_from_a_file(production: dict[str, str], tmp_path: Path, end: str) -> None:
    (templates := tmp_path / "templates").mkdir()
    (logo := tmp_path / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    given = production | {
        **{"LATCHKEY_MAX_SESSIONS": "5", "LATCHKEY_RATE_LIMITS": "on", "LATCHKEY_MAIL_DIR": str(tmp_path / "mail")},
        **{
            "LATCHKEY_AUDIENCE": "notes",
            "LATCHKEY_TRUSTED_PROXIES": "10.0.0.0/8",
            "LATCHKEY_ARGON2": "m=19456,t=2,p=1",
        },
        **{"LATCHKEY_NAME": "Größe", "LATCHKEY_PRODUCT_URL": "https://app.good.example"},
        **{"LATCHKEY_LINK_URL": "https://app.good.example/{purpose}?token={token}", "LATCHKEY_KEY_DELAY": "120"},
        **{"LATCHKEY_ACCESS_TTL": "60", "LATCHKEY_REFRESH_TTL": "3600", "LATCHKEY_SESSION_TTL": "7200"},
        **{"LATCHKEY_PASSWORD_MIN_LENGTH": "20", "LATCHKEY_BREACHED_PASSWORDS": str(tmp_path / "ranges")},
        **{"LATCHKEY_HOST": "0.0.0.0", "LATCHKEY_PORT": "9000", "LATCHKEY_PROCESSES": "3"},
        **{"LATCHKEY_CORS_ORIGINS": "capacitor://localhost", "LATCHKEY_ALLOWED_HOSTS": "good.example"},
        **{"LATCHKEY_METRICS_TOKEN": GOOD, "LATCHKEY_DRAIN_SECONDS": "10"},
        **{"LATCHKEY_RP_ID": "good.example", "LATCHKEY_PASSKEY_ORIGINS": "https://app.good.example"},
        **{"LATCHKEY_STEP_UP_TTL": "60", "LATCHKEY_REQUIRE_FACTOR": "admin", "LATCHKEY_REGISTRATION": "closed"},
        **{"LATCHKEY_COLOR": "#5b21b6", "LATCHKEY_LOGO": str(logo), "LATCHKEY_TEMPLATES": str(templates)},
        "LATCHKEY_PROTECTED_ORIGINS": "https://app.good.example",
    }
    assert given.keys() == VARIABLES
    settings = load(by_file(given, tmp_path / "run", end=end))
    assert settings == load(given)
    assert (settings.env, settings.embedded, settings.unknown) == ("production", False, ())
    assert settings.secret_keys == (GOOD.encode(),)
    half = dict(list(given.items())[::2])
    mixed = by_file(half, tmp_path / "half", end=end) | {name: given[name] for name in given.keys() - half.keys()}
    assert load(mixed) == settings


def test_one_trailing_newline_of_a_file_is_stripped(production: dict[str, str], tmp_path: Path) -> None:
    for text, value in ((f"{GOOD} x\n", f"{GOOD} x"), (f"\ufeff{GOOD}", GOOD)):
        (tmp_path / "secret").write_text(text)
        environ = {**production, "LATCHKEY_SECRET_KEY": "", "LATCHKEY_SECRET_KEY_FILE": str(tmp_path / "secret")}
        assert load(environ).secret_keys == (value.encode(),)


def test_setting_and_its_file_together_are_refused(production: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(GOOD)
    problems = errors_of(production | {"LATCHKEY_SECRET_KEY_FILE": str(tmp_path / "secret")})
    assert problems == {"LATCHKEY_SECRET_KEY": "is set, and LATCHKEY_SECRET_KEY_FILE as well: set one of them"}
    for name in VARIABLES:
        environ = production | {name: production.get(name, "x"), f"{name}_FILE": str(tmp_path / "secret")}
        assert errors_of(environ) == {name: f"is set, and {name}_FILE as well: set one of them"}
    # An empty variable counts as not set.
    assert load(production | {"LATCHKEY_SECRET_KEY_FILE": ""})


def test_unusable_file_is_named_but_not_quoted(production: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    for name in VARIABLES:
        for file, why in (
            (tmp_path / "gone", "cannot be read (No such file or directory)"),
            (tmp_path, "cannot be read (Is a directory)"),
            (tmp_path / "empty", "is empty"),
            (tmp_path / "binary", "is not UTF-8 text"),
        ):
            environ = production | {name: "", f"{name}_FILE": str(file)}
            assert errors_of(environ) == {f"{name}_FILE": f"{file} {why}"}
    (tmp_path / "short").write_text("hunter2")
    said = errors_of(production | {"LATCHKEY_SECRET_KEY": "", "LATCHKEY_SECRET_KEY_FILE": str(tmp_path / "short")})
    assert set(said) == {"LATCHKEY_SECRET_KEY"}


def test_a_file_of_another_user_cannot_be_read(production: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(GOOD)
    file.chmod(0)
    environ = production | {"LATCHKEY_SECRET_KEY": "", "LATCHKEY_SECRET_KEY_FILE": str(file)}
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        problems = errors_of(environ)
    finally:
        if root:
            os.seteuid(0)
    assert problems["LATCHKEY_SECRET_KEY_FILE"] == f"{file} cannot be read (Permission denied)"


def test_make_run_reads_settings_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make run` does not start PostgreSQL or Valkey if a file gives its URL."""
    (tmp_path / "url").write_text("postgresql://h/d\n")
    monkeypatch.setenv("LATCHKEY_DATABASE_URL_FILE", str(tmp_path / "url"))
    environ = environment()
    assert environ["LATCHKEY_DATABASE_URL"] == "postgresql://h/d"
    assert "LATCHKEY_DATABASE_URL_FILE" not in environ
    monkeypatch.setenv("LATCHKEY_PORT_FILE", str(tmp_path / "gone"))
    monkeypatch.setenv("LATCHKEY_DATABASE_URL", "postgresql://h/e")
    with pytest.raises(
        ValueError, match=r"DATABASE_URL: is set, and .*\n?.*LATCHKEY_PORT_FILE: .*gone cannot be read"
    ):
        environment()


def test_file_of_an_unknown_setting_is_named(development: dict[str, str], tmp_path: Path) -> None:
    environ = development | {"LATCHKEY_ACESS_TTL_FILE": str(tmp_path / "gone")}
    assert load(environ).unknown == ("LATCHKEY_ACESS_TTL_FILE",)


def test_repr_shows_no_secret(production: dict[str, str]) -> None:
    settings = load(production)
    container = Container(settings=settings)
    parts: list[object] = [settings, container, container.settings(), container.access_codec()]
    parts += [container.links(), container.refresh_codec(), container.mailer(), container.lifetimes()]
    parts += [container.database(), container.blocklist(), container.nudge(), container.rate_limiter()]
    for part in parts:
        for representation in (repr(part), str(part), f"{part}"):
            assert not any(word in representation for word in ("hunter2", GOOD, "PRIVATE"))
    container.nudge().close()


@pytest.fixture(scope="module")
def copied_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with a `.env` of its own."""
    copy = tmp_path_factory.mktemp("copy")
    for package in ("domain", "application", "adapters", "entrypoints"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LATCHKEY_ENV": "development"}, "7001 127.0.0.1"),
        ({"LATCHKEY_ENV": "development", "LATCHKEY_PORT": "7002"}, "7002 127.0.0.1"),
        ({"LATCHKEY_ENV": "production", "LATCHKEY_PORT": "7003"}, "LATCHKEY_SECRET_KEY: must be set"),
        ({"LATCHKEY_ENV": "development", "LATCHKEY_HOST_FILE": "a_host"}, "7001 127.0.0.9"),
        ({"LATCHKEY_ENV": "development", "LATCHKEY_PORT_FILE": "a_port"}, "7004 127.0.0.1"),
    ],
)
def test_dotenv_is_read_in_development_only_and_the_environment_wins(
    copied_program: Path, environ: dict[str, str], expected: str, tmp_path: Path
) -> None:
    (copied_program / ".env").write_text(
        f"LATCHKEY_PORT=7001\nLATCHKEY_SECRET_KEY={GOOD}\nLATCHKEY_DATABASE_URL=postgresql://h/d\n"
        f"LATCHKEY_REDIS_URL=redis://h\nLATCHKEY_ENV=production\nLATCHKEY_DATA_DIR={tmp_path}\nLATCHKEY_HOST=\n"
    )
    (copied_program / "a_host").write_text("127.0.0.9\n")
    (copied_program / "a_port").write_text("7004\n")
    script = "from entrypoints.settings import load; s = load(); print(s.port, s.host, s.secret_keys[0].decode())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=copied_program,
        env={**kept, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert expected in done.stdout + done.stderr
    assert (GOOD in done.stdout) is (done.returncode == 0)


def test_rate_limits_can_be_off_in_development_only(production: dict[str, str], development: dict[str, str]) -> None:
    for environ in (production, development, production | {"LATCHKEY_RATE_LIMITS": "on"}):
        assert isinstance(Container(settings=load(environ)).rate_limiter(), RedisRateLimiter)
    off = load(development | {"LATCHKEY_RATE_LIMITS": "off"})
    assert isinstance(Container(settings=off).rate_limiter(), NoRateLimiter)
    assert errors_of(production | {"LATCHKEY_RATE_LIMITS": "off"}) == {
        "LATCHKEY_RATE_LIMITS": "must be on in production"
    }
    assert errors_of(development | {"LATCHKEY_RATE_LIMITS": "maybe"}) == {"LATCHKEY_RATE_LIMITS": "must be on or off"}


def test_settings_are_immutable(development: dict[str, str]) -> None:
    settings = load(development)
    frozen: Any = settings
    with pytest.raises(AttributeError):
        frozen.port = 1
    assert isinstance(settings, Settings)


def test_a_misspelt_setting_is_named(development: dict[str, str]) -> None:
    assert load({**development, "LATCHKEY_ACESS_TTL": "5"}).unknown == ("LATCHKEY_ACESS_TTL",)
    assert load(development).unknown == ()


SERVICE_LINKS = {
    "LATCHKEY_SERVICE_HOST": "10.3.240.17",
    "LATCHKEY_SERVICE_PORT": "8000",
    "LATCHKEY_SERVICE_PORT_HTTP": "8000",
    "LATCHKEY_PORT_8000_TCP": "tcp://10.3.240.17:8000",
    "LATCHKEY_PORT_8000_TCP_PROTO": "tcp",
    "LATCHKEY_PORT_8000_TCP_PORT": "8000",
    "LATCHKEY_PORT_8000_TCP_ADDR": "10.3.240.17",
    "LATCHKEY_PORT_53_UDP": "udp://10.3.240.17:53",
    "LATCHKEY_WORKER_PORT": "tcp://10.3.240.18:9000",
    "LATCHKEY_WORKER_PORT_9000_TCP": "tcp://10.3.240.18:9000",
    "LATCHKEY_WORKER_SERVICE_HOST": "10.3.240.18",
    "LATCHKEY_ENV_PATH": "/usr/bin",
}


@pytest.mark.parametrize("link", ["tcp://10.3.240.17:8000", "udp://10.3.240.17:8000", "tcp://[fd00::17]:8000"])
def test_kubernetes_service_links_are_not_settings(production: dict[str, str], link: str) -> None:
    settings = load(production | SERVICE_LINKS | {"LATCHKEY_PORT": link, "LATCHKEY_NAME": "/web/latchkey"})
    assert (settings.port, settings.name, settings.unknown) == (8000, "Latchkey", ())
    assert settings.service_links == ("LATCHKEY_NAME", "LATCHKEY_PORT")
    assert load(production | SERVICE_LINKS | {"LATCHKEY_PORT": "9000"}).port == 9000
    assert load(production).service_links == ()
    assert load(production | {"LATCHKEY_SERVICES": "x"}).unknown == ("LATCHKEY_SERVICES",)
    assert set(errors_of(production | {"LATCHKEY_PORT": "http://10.3.240.17:8000"})) == {"LATCHKEY_PORT"}


@pytest.mark.parametrize(
    ("text", "host"),
    [
        *(("[::1]", "::1"), ("::1", "::1"), ("[::]", "::"), (" 127.0.0.1 ", "127.0.0.1"), ("localhost", "localhost")),
        *(("api-1.internal", "api-1.internal"), ("fe80::1%eth0", "fe80::1%eth0")),
    ],
)
def test_host_may_be_an_address_or_a_name(production: dict[str, str], text: str, host: str) -> None:
    assert load(production | {"LATCHKEY_HOST": text}).host == host


@pytest.mark.parametrize("cost", ["m=47104,t=1,p=1", "m=12288,t=3,p=1", "m=7168,t=5,p=1"])
def test_hash_cost_follows_the_setting(development: dict[str, str], cost: str) -> None:
    hasher = Container(settings=load(development | {"LATCHKEY_ARGON2": cost})).hasher()
    before = Container(settings=load(development)).hasher()
    try:
        made = asyncio.run(hasher.hash("a perfectly fine passphrase"))
        assert made.startswith(f"$argon2id$v=19${cost}$")
        assert hasher.decoy.startswith(f"$argon2id$v=19${cost}$")
        assert asyncio.run(hasher.verify("a perfectly fine passphrase", made)) == PasswordMatch(True)
        outdated = PasswordMatch(True, needs_rehash=True)
        assert asyncio.run(before.verify("a perfectly fine passphrase", made)) == outdated
    finally:
        hasher.close()
        before.close()


@pytest.mark.parametrize(
    ("cost", "why"),
    [
        ("m=999999999,t=2,p=1", "too expensive"),
        ("m=19456,t=99999999,p=1", "too expensive"),
        ("m=19456,t=2,p=4", "one lane (p=1)"),
        ("m=1,t=1,p=1", "too weak"),
        ("19456", "must look like"),
    ],
)
def test_invalid_hash_cost_is_refused_with_the_reason(cost: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        argon2(cost)


def test_origins_may_have_any_scheme(production: dict[str, str]) -> None:
    apps = ("capacitor://localhost", "ionic://localhost", "tauri://localhost", "chrome-extension://abc", "app://-")
    for origin in (
        *apps,
        "moz-extension://1b-c",
        "http://[::1]:3000",
        "com.example.app+x://Host:8",
        "https://x_y.example",
    ):
        settings = load({**production, "LATCHKEY_CORS_ORIGINS": origin})
        assert settings.cors_origins == (origin,)


def test_implied_port_is_removed_from_an_origin(production: dict[str, str]) -> None:
    origins = "https://a.example:443,http://b.example:80,https://c.example:80,app://d:443"
    settings = load({**production, "LATCHKEY_CORS_ORIGINS": origins})
    assert settings.cors_origins == ("https://a.example", "http://b.example", "https://c.example:80", "app://d:443")


# -- second factors ----------------------------------------------------------------------------------------


def test_second_factors_have_defaults(production: dict[str, str]) -> None:
    settings = load(production)
    assert (settings.rp_id, settings.passkey_domain) == (None, "accounts.good.example")
    assert settings.all_passkey_origins == ("https://accounts.good.example",)
    assert (settings.step_up_ttl, settings.factor_required_from) == (timedelta(minutes=5), None)
    assert settings.encryption_keys_file is None
    for value, role in (("off", None), *((role.value, role) for role in Role)):
        assert load(production | {"LATCHKEY_REQUIRE_FACTOR": value}).factor_required_from is role


def test_origin_of_passkeys_is_that_of_the_public_url(production: dict[str, str]) -> None:
    for url, origin in (
        ("https://accounts.good.example:443/x", "https://accounts.good.example"),
        ("https://accounts.good.example:8443", "https://accounts.good.example:8443"),
        ("http://localhost:80", "http://localhost"),
    ):
        assert load(production | {"LATCHKEY_PUBLIC_URL": url}).all_passkey_origins == (origin,)


@pytest.mark.parametrize(
    ("url", "valid", "invalid"),
    [
        (
            "https://accounts.good.example/x",
            ["accounts.good.example", "good.example"],
            ["example", "bad.example", "x.accounts.good.example", "s.good.example"],
        ),
        ("https://accounts.good.co.uk", ["accounts.good.co.uk", "good.co.uk"], ["co.uk", "uk"]),
        ("http://localhost:8000", ["localhost"], ["good.example", "host"]),
        ("http://127.0.0.1:8000", [], ["127.0.0.1", "0.0.1", "localhost", "good.example"]),
        ("https://[2001:db8::1]", [], ["2001:db8::1", "good.example"]),
    ],
)
def test_rp_id_is_the_public_host_or_a_domain_above_it(
    production: dict[str, str], url: str, valid: list[str], invalid: list[str]
) -> None:
    # Passkeys do not work with an IP address, and all else does.
    assert load(production | {"LATCHKEY_PUBLIC_URL": url}).rp_id is None
    for domain in valid:
        assert load(production | {"LATCHKEY_PUBLIC_URL": url, "LATCHKEY_RP_ID": domain}).passkey_domain == domain
    for domain in invalid:
        found = errors_of(production | {"LATCHKEY_PUBLIC_URL": url, "LATCHKEY_RP_ID": domain})
        assert set(found) == {"LATCHKEY_RP_ID"}


def test_encryption_key_must_not_be_the_secret_key(production: dict[str, str]) -> None:
    for keys in (GOOD, f"{ENCRYPTION_KEY},{GOOD}"):
        said = errors_of(production | {"LATCHKEY_ENCRYPTION_KEYS": keys})["LATCHKEY_ENCRYPTION_KEYS"]
        assert said.startswith("must not be the LATCHKEY_SECRET_KEY")
        assert GOOD not in said


def test_file_of_encryption_keys_is_remembered(production: dict[str, str], tmp_path: Path) -> None:
    del production["LATCHKEY_ENCRYPTION_KEYS"]
    file = tmp_path / "encryption_keys"
    file.write_text(f"{ENCRYPTION_KEY}\n")
    settings = load(production | {"LATCHKEY_ENCRYPTION_KEYS_FILE": str(file)})
    assert (settings.encryption_keys, settings.encryption_keys_file) == ((ENCRYPTION_KEY.encode(),), file)
    keys = Container(settings=settings).encryption_keys()
    for text, current in ((GOOD[::-1], GOOD[::-1]), (f"{GOOD[::-1]},{GOOD}", GOOD[::-1]), ("short", GOOD[::-1])):
        file.write_text(text)
        keys.reload()
        assert keys.current() == (current.encode(),)


def test_development_key_is_replaced_by_adding_a_new_one(development: dict[str, str], tmp_path: Path) -> None:
    [old] = load(development).encryption_keys
    file = tmp_path / "data" / "encryption_key"
    assert load(development).encryption_keys_file == file
    add_encryption_key(file)
    new, kept = load(development).encryption_keys
    assert (kept, file.stat().st_mode & 0o077) == (old, 0)
    assert new != old
