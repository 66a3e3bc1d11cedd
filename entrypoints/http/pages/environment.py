"""The templates of pages in one language."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from application.texts.ports import Texts

TEMPLATES = Path(__file__).parent / "templates"
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


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


def scripts_of(environment: Environment, own: Path | None) -> Iterator[str]:
    """The scripts of the templates, without the values of a page: a script inside a value is not allowed."""
    for folder in [TEMPLATES] if own is None else [TEMPLATES, own]:
        for path in folder.glob("*.html"):
            for script in _SCRIPT.findall(path.read_text(encoding="utf-8")):
                with suppress(TemplateError):
                    yield environment.from_string(f"{script}|").render().removesuffix("|")
