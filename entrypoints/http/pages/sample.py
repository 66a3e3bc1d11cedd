"""Render templates of operators without a request: every variable is a value that stands for anything."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from application.texts.ports import Texts
from domain.branding import DEFAULT_ACCENT, DESIGN
from entrypoints.http.pages.environment import TEMPLATES, page_environment


class Sample(str):
    """Has every attribute and item, can be called, is a list of two, and is more and less than anything."""

    def __new__(cls, *_: object, **__: object) -> "Sample":
        return super().__new__(cls, "sample")

    def __getattr__(self, name: str) -> "Sample":
        if name.startswith("__") or name in ("unsafe_callable", "alters_data"):  # the sandbox asks for these
            raise AttributeError(name)
        return self

    def __getitem__(self, _: object) -> "Sample":
        return self

    def __call__(self, *_: object, **__: object) -> "Sample":
        return self

    def __iter__(self) -> Iterator["Sample"]:
        yield self
        yield self


def _anything(*_: object) -> Any:
    return Sample()


def _always(*_: object) -> bool:
    return True


_ARITHMETIC = ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "floordiv", "neg")
_OPERATIONS: dict[str, Callable[..., Any]] = {
    **{f"__{name}__": _anything for name in _ARITHMETIC},
    **{f"__{name}__": _always for name in ("lt", "le", "gt", "ge")},
}
for _name, _operation in _OPERATIONS.items():
    setattr(Sample, _name, _operation)


_SHARED = {
    "product": "sample",
    "product_url": "sample",
    "logo": "sample",
    "accent": DEFAULT_ACCENT,
    "design": DESIGN,
}


class _SampleEnvironment(ImmutableSandboxedEnvironment):
    """Loops over samples give as many values as they unpack."""

    def compile(self, source: Any, *arguments: Any, **options: Any) -> Any:
        tree = self.parse(source, *arguments) if isinstance(source, str) else source
        for loop in tree.find_all(nodes.For):
            if isinstance(loop.target, nodes.Tuple):
                loop.iter = nodes.Filter(loop.iter, "rows", [nodes.Const(len(loop.target.items))], [], None, None)
        return super().compile(tree, *arguments, **options)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A sample finds something in every dictionary."""
        if isinstance(obj, dict) and isinstance(argument, Sample):
            return next(iter(obj.values()), argument)
        return super().getitem(obj, argument)


def _rows(values: Any, width: int) -> Any:
    return [[Sample()] * width] * 2 if isinstance(values, Sample) else values


def render_samples(texts: Texts, own: Path) -> Iterator[tuple[Path, Exception]]:
    """Render each page in the folder `own` with the variables of ours, and yield what fails."""
    for path in sorted(own.glob("*.html")):
        if not (TEMPLATES / path.name).is_file():
            yield path, ValueError("there is no page of this name")
            continue
        try:
            rendered_sample(texts, path.name, own)
        except Exception as error:
            yield path, error


def rendered_sample(texts: Texts, name: str, own: Path | None = None) -> str:
    environment = page_environment(texts, _SHARED, own, make=_SampleEnvironment)
    environment.filters |= dict.fromkeys(("time", "date", "duration", "device"), _anything) | {"rows": _rows}
    vars(environment)["install_gettext_callables"](texts.gettext, partial(_two, texts), newstyle=True)
    return environment.get_template(name).render(dict.fromkeys(_variables_of(environment, name), Sample()))


def _two(texts: Texts, singular: str, plural: str, _: object) -> str:
    """A sample is no number."""
    return texts.ngettext(singular, plural, 2)


def _variables_of(environment: Environment, name: str) -> set[str]:
    """The variables that a template, what it extends and what it includes expect."""
    source, _, _ = FileSystemLoader(TEMPLATES).get_source(environment, name)
    tree = environment.parse(source, name)
    names = set(meta.find_undeclared_variables(tree))
    for other in meta.find_referenced_templates(tree):
        names |= _variables_of(environment, other) if other else set()
    return names
