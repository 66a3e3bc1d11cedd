"""Write every mail in every language into a folder, with an index page: `python -m entrypoints.devserver.mails`."""

import sys
from pathlib import Path

from jinja2 import Environment

from adapters.mail.jinja_composer import JinjaComposer
from adapters.mail.sample_mails import sample_mails
from adapters.translations.catalogues import PoTranslations
from entrypoints.settings.reader import SettingsReader
from entrypoints.settings.settings import ROWS

_INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Mails</title>
<style>
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }
td, th { padding: .25rem 1rem .25rem 0; text-align: left; vertical-align: top; }
</style>
<h1>Mails</h1>
<table>
<tr><th>Mail</th>{% for language in languages %}<th>{{ language }}</th>{% endfor %}</tr>
{% for name, subjects in mails.items() %}
<tr><td>{{ name }}</td>
{% for language, subject in subjects.items() %}
<td>{{ subject }}<br>
<a href="{{ language }}/{{ name }}.html">HTML</a> <a href="{{ language }}/{{ name }}.txt">text</a></td>
{% endfor %}
</tr>
{% endfor %}
</table>
</html>
"""


def write_mails(folder: Path) -> Path:
    """Return the path of the index page."""
    translations = PoTranslations()
    composer = _composer(translations)
    mails: dict[str, dict[str, str]] = {}
    for language in translations.languages:
        (folder / language).mkdir(parents=True, exist_ok=True)
        for sample in sample_mails(language):
            mail = sample.composed_by(composer)
            mails.setdefault(sample.name, {})[language] = mail.subject
            (folder / language / f"{sample.name}.html").write_text(mail.html, encoding="utf-8")
            text = f"Subject: {mail.subject}\n\n{mail.text}"
            (folder / language / f"{sample.name}.txt").write_text(text, encoding="utf-8")
    index = folder / "index.html"
    page = Environment(autoescape=True).from_string(_INDEX).render(mails=mails, languages=translations.languages)
    index.write_text(page, encoding="utf-8")
    return index


def _composer(translations: PoTranslations) -> JinjaComposer:
    """Raises SettingsError. Needs only the settings of mails."""
    reader = SettingsReader(None, "development")
    names = ("public_url", "name", "product_url", "link_url", "accent", "templates")
    public_url, name, product_url, link_url, accent, templates = (reader.read(ROWS[row]) for row in names)
    reader.raise_problems()
    return JinjaComposer(
        public_url,
        name,
        translations=translations,
        product_url=product_url,
        link_url=link_url,
        accent=accent,
        templates=templates and templates / "mails",
    )


if __name__ == "__main__":
    index = write_mails(Path(sys.argv[1] if len(sys.argv) > 1 else ".mails").resolve())
    sys.stdout.write(f"{index.as_uri()}\n")
