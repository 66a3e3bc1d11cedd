"""Is everything there that the service stands on, and as it has to be? Looks, says, and changes nothing."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator

from asgiref.sync import async_to_sync

from entrypoints import making
from entrypoints.commands.output import print_json
from entrypoints.commands.registry import Commands, advice, command_settings
from entrypoints.doctor.database import look_at_database
from entrypoints.doctor.findings import Finding, State
from entrypoints.doctor.hashing import look_at_hashing
from entrypoints.doctor.mails import look_at_mails
from entrypoints.doctor.redis import look_at_redis
from entrypoints.doctor.settings import look_at_settings
from entrypoints.doctor.surroundings import look_at_keys, look_at_public_url, look_at_smtp
from entrypoints.settings import Settings, SettingsError

PATIENCE = 30.0
"""Seconds for a part."""


async def _each(findings: Iterator[Finding]) -> AsyncIterator[Finding]:
    for found in findings:
        yield found


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Every part, whatever the others are like. Raises nothing."""
    parts = {
        "settings": _each(look_at_settings(settings)),
        "database": look_at_database(settings, making.now),
        "mails": look_at_mails(settings, making.now),
        "redis": look_at_redis(settings, making.now),
        "smtp": look_at_smtp(settings),
        "keys": _each(look_at_keys(settings, making.now)),
        "public url": look_at_public_url(settings, making.now),
        "passwords": look_at_hashing(making.make_hasher(settings), settings.argon2),
    }
    for part, findings in parts.items():
        try:
            async with asyncio.timeout(PATIENCE):
                found = [it async for it in findings]
        except Exception as error:
            found = [Finding.wrong(part, f"the check failed: {type(error).__name__}")]
        for it in found:
            yield it


def _row(found: Finding) -> dict[str, str]:
    return {"state": found.state, "part": found.part, "text": found.text}


def run(asked: argparse.Namespace) -> int:
    try:
        settings = command_settings()
    except SettingsError as error:
        wrongs = [Finding.wrong("settings", line) for line in str(error).splitlines()]
        if asked.json:
            print_json([_row(found) for found in wrongs])
        else:
            print(*wrongs, sep="\n")
        if advice(error):
            print(advice(error).strip(), file=sys.stderr if asked.json else sys.stdout)
        return 1

    async def show() -> int:
        findings = []
        async for found in examine(settings):
            findings.append(found)
            if not asked.json:
                print(found, flush=True)
        if asked.json:
            print_json([_row(found) for found in findings])
        return int(any(found.state is State.WRONG for found in findings))

    status: int = async_to_sync(show)()
    return status


def register(commands: Commands) -> None:
    text = "Check settings, services, clocks, keys and mail. Exit status 0: no errors."
    commands.listing("doctor", run, text)
