"""Check the templates of the operator: each is rendered with sample values in every language."""

from collections.abc import Iterator
from pathlib import Path
from traceback import extract_tb

from jinja2 import TemplateSyntaxError

from adapters.mail.sample_mails import sample_mails
from adapters.translations.catalogues import PoTranslations
from domain.outbox import MailKind
from entrypoints.factories import make_composer
from entrypoints.settings import Settings, SettingsError


def require_templates(settings: Settings) -> None:
    """Raises SettingsError, a line for each problem."""
    if problems := list(dict.fromkeys(template_problems(settings))):
        raise SettingsError("\n".join(f"LATCHKEY_TEMPLATES: {problem}" for problem in problems))


def template_problems(settings: Settings) -> Iterator[str]:
    """What is wrong with each template, with its file and line."""
    if settings.templates is None:
        return
    # The worker has no pages, and starts without what they need.
    from entrypoints.http.pages.sample import render_samples

    pages, translations = settings.templates / "pages", PoTranslations()
    for language in translations.languages:
        for path, error in render_samples(translations.of(language), pages):
            yield _described(path, error)
    yield from _mail_problems(settings, settings.templates / "mails", translations)


def _mail_problems(settings: Settings, folder: Path, translations: PoTranslations) -> Iterator[str]:
    composer = make_composer(settings, translations)
    kinds = {path.stem for path in folder.glob("*.*")}
    for name in sorted(kinds - set(MailKind)):
        yield f"{folder / name}.*: there is no mail of this name"
    for language in translations.languages:
        for sample in sample_mails(language):
            if sample.mail.kind not in kinds:
                continue
            try:
                subject = sample.composed_by(composer).subject
            except Exception as error:
                yield _described(folder / sample.mail.kind, error)
                continue
            if not subject.strip() or not subject.isprintable():
                yield f"{folder / sample.mail.kind}.txt, line 1: the first line must be the subject"


def _described(path: Path, error: Exception) -> str:
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or path}, line {error.lineno}: {error.message}"
    frames = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).parent == path.parent]
    place = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else f"{path}"
    return f"{place}: {error}"
