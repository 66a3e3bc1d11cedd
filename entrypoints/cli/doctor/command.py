"""`doctor` checks that everything that the service needs is there and works. It changes nothing."""

import click

from entrypoints.cli.parameters import Command, json_option


@click.command("doctor", cls=Command, examples=["", "--json"])
@json_option
def doctor(*, as_json: bool) -> int:
    """Check settings, services, clocks, keys, factors and mail. Exit status 0: no errors."""
    from entrypoints.cli.doctor.checks import run

    return run(as_json=as_json)
