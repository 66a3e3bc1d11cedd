"""Runs all checks, one part after another."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import click
from asgiref.sync import async_to_sync

from entrypoints import factories
from entrypoints.cli.doctor.database import check_database
from entrypoints.cli.doctor.environment import check_keys, check_public_url, check_smtp
from entrypoints.cli.doctor.factors import check_factors
from entrypoints.cli.doctor.findings import Finding, State
from entrypoints.cli.doctor.hashing import check_hashing
from entrypoints.cli.doctor.mails import check_mails
from entrypoints.cli.doctor.redis import check_redis
from entrypoints.cli.doctor.settings import check_settings
from entrypoints.cli.doctor.templates import check_templates
from entrypoints.cli.installation import command_settings, hint
from entrypoints.cli.output import print_json
from entrypoints.settings import Settings, SettingsError

DEADLINE = 30.0
"""Seconds that the check of one part may take."""


def run(*, as_json: bool) -> int:
    """Returns the exit status."""
    try:
        settings = command_settings()
    except SettingsError as error:
        errors = [Finding.error("settings", line) for line in str(error).splitlines()]
        if as_json:
            print_json([_row(finding) for finding in errors])
        else:
            click.echo("\n".join(map(str, errors)))
        if hint(error):
            click.echo(hint(error).strip(), err=as_json)
        return 1
    findings: list[Finding] = async_to_sync(_show)(settings, as_json=as_json)
    if as_json:
        print_json([_row(finding) for finding in findings])
    return int(any(finding.state is State.ERROR for finding in findings))


async def _show(settings: Settings, *, as_json: bool) -> list[Finding]:
    """Prints each finding at once, or one JSON document at the end."""
    findings = []
    async for finding in check_all(settings):
        findings.append(finding)
        if not as_json:
            click.echo(finding)
    return findings


async def check_all(settings: Settings) -> AsyncIterator[Finding]:
    """Yields the findings of every part, also after a part failed. Never raises."""
    parts = {
        "settings": _each(check_settings(settings)),
        "templates": _each(check_templates(settings)),
        "database": check_database(settings, factories.now),
        "mails": check_mails(settings, factories.now),
        "factors": check_factors(settings),
        "redis": check_redis(settings, factories.now),
        "smtp": check_smtp(settings),
        "keys": _each(check_keys(settings, factories.now)),
        "public url": check_public_url(settings, factories.now),
        "passwords": check_hashing(factories.make_hasher(settings), settings.argon2),
    }
    for part, findings in parts.items():
        try:
            async with asyncio.timeout(DEADLINE):
                results = [finding async for finding in findings]
        except Exception as error:
            results = [Finding.error(part, f"the check failed: {type(error).__name__}")]
        for finding in results:
            yield finding


async def _each(findings: Iterator[Finding]) -> AsyncIterator[Finding]:
    for finding in findings:
        yield finding


def _row(finding: Finding) -> dict[str, str]:
    return {"state": finding.state, "part": finding.part, "text": finding.text}
