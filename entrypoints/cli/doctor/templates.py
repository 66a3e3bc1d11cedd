"""Checks the templates of the operator."""

from collections.abc import Iterator

from entrypoints.cli.doctor.findings import Finding
from entrypoints.settings import Settings

PART = "templates"


def check_templates(settings: Settings) -> Iterator[Finding]:
    if settings.templates is None:
        return
    from entrypoints.own_templates import template_problems

    problems = list(dict.fromkeys(template_problems(settings)))
    yield from (Finding.error(PART, problem) for problem in problems)
    if not problems:
        yield Finding.ok(PART, f"every template in {settings.templates} can be rendered")
