"""The mail server, the signing keys, and the public address."""

import asyncio
import json
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from adapters.mail.smtp_mailer import SmtpMailer
from adapters.mail.smtp_session import SmtpTimeouts
from adapters.mail.smtp_url import parse_smtp_url
from adapters.tokens.key_files import read_keys
from adapters.tokens.key_store import ReloadingKeyStore
from application.mail.ports import MailDelayed
from application.ports import Clock
from entrypoints.cli.doctor.findings import Finding
from entrypoints.settings import Settings

DEADLINE = 5.0


async def check_smtp(settings: Settings) -> AsyncIterator[Finding]:
    if settings.smtp_url is None:
        return
    server = parse_smtp_url(settings.smtp_url)
    where = f"{server.host}:{server.port}"
    timeouts = SmtpTimeouts(connecting=DEADLINE, reply=2 * DEADLINE)
    try:
        await SmtpMailer(server, mail_from=settings.mail_from, timeouts=timeouts).probe()
    except MailDelayed as error:
        yield Finding.error(
            "smtp",
            f"{where} does not accept mail, tls={server.tls}: {error}; see LATCHKEY_SMTP_URL and LATCHKEY_MAIL_FROM",
        )
        return
    login = "" if server.username is None else ", and accepts the login"
    yield Finding.ok("smtp", f"{where} accepts connections, tls={server.tls}{login}")


def check_keys(settings: Settings, clock: Clock) -> Iterator[Finding]:
    keys = ReloadingKeyStore(settings.signing_keys, delay=settings.key_delay, clock=clock).current()
    yield Finding.ok(
        "keys",
        f"{keys.signing.kid} ({keys.signing.alg}) signs, {len(keys.verifying)} verify; {settings.signing_keys}",
    )
    for key_file in read_keys(settings.signing_keys).values():
        if key_file.key and key_file.key.private:
            yield from _mode(key_file.file)


def _mode(file: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & stat.S_IRWXO:
        yield Finding.error(
            "keys", f"{file} has mode {mode:04o}, so any user of this machine can sign tokens: chmod 600 {file}"
        )
    elif mode & stat.S_IRWXG:
        yield Finding.warning("keys", f"{file} has mode {mode:04o}: make sure that no other user is in its group")


async def check_public_url(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    own_kids = {
        key.kid
        for key in ReloadingKeyStore(settings.signing_keys, delay=settings.key_delay, clock=clock).current().verifying
    }
    part, url = "public url", settings.public_url
    try:
        published_kids = await asyncio.to_thread(_kids, f"{url}/.well-known/jwks.json")
    except urllib.error.HTTPError as error:
        error.close()
        yield Finding.error(part, f"{url} answers with {error.code}: links in mails will not work; check the proxy")
    except OSError as error:
        why = getattr(error, "reason", error)
        make = Finding.error if isinstance(why, ssl.SSLError) else Finding.warning
        elsewhere = "; if `make run` has another port, set LATCHKEY_PORT here too" if settings.development else ""
        yield make(part, f"{url} cannot be reached from here ({why}), and links in mails lead there{elsewhere}")
    except (ValueError, LookupError, TypeError):
        yield Finding.error(
            part, f"{url} is not this service, but links in mails lead there: see LATCHKEY_PUBLIC_URL"
        )
    else:
        if published_kids & own_kids:
            yield Finding.ok(part, f"{url} is this service")
        else:
            yield Finding.error(
                part, f"{url} is a Latchkey with other keys: it does not accept the tokens of this one"
            )


def _kids(url: str) -> set[str]:
    with urllib.request.build_opener().open(url, timeout=DEADLINE) as answer:  # settings allow http and https only
        return {key["kid"] for key in json.loads(answer.read(65536))["keys"]}
