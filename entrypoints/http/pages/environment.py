"""The templates of pages in one language."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from application.texts.ports import Texts

TEMPLATES = Path(__file__).parent / "templates"


def page_environment(
    texts: Texts,
    shared: Mapping[str, Any],
    own: Path | None = None,
    *,
    make: type[Environment] | None = None,
) -> Environment:
    """Each language has its own, so that macros and included templates speak it too. `shared` are the globals of all.
    Files in the folder `own` replace ours; they are written by operators, and run in a sandbox."""
    sandbox = Environment if own is None else ImmutableSandboxedEnvironment
    environment = (make or sandbox)(
        loader=FileSystemLoader([TEMPLATES] if own is None else [own, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    vars(environment)["install_gettext_callables"](texts.gettext, texts.ngettext, newstyle=True)
    environment.globals |= {**shared, "language": texts.language}
    environment.filters |= {
        "time": texts.time,
        "date": texts.date,
        "duration": texts.duration,
        "device": texts.device,
        "translated": texts.gettext,
    }
    return environment
