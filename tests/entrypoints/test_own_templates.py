"""Templates of the operator: they replace ours one by one, and a broken one is named with file and line."""

import hashlib
import re
import shutil
from base64 import b64encode
from pathlib import Path

import pytest

from domain.outbox import MailKind
from entrypoints.cli.doctor.findings import State
from entrypoints.cli.doctor.templates import check_templates
from entrypoints.http.pages.environment import TEMPLATES
from entrypoints.http.pages.html import Pages
from entrypoints.own_templates import require_templates, template_problems
from entrypoints.settings import Settings, SettingsError, load
from tests.support.documents import blocks
from tests.support.service import ROOT, Service
from tests.support.translations import TRANSLATIONS

URLS = {"LATCHKEY_DATABASE_URL": "postgresql://127.0.0.1/x", "LATCHKEY_REDIS_URL": "redis://127.0.0.1:1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pages", "mails"):
        (tmp_path / "own" / name).mkdir(parents=True)
    return tmp_path / "own"


def settings_with(folder: Path) -> Settings:
    environ = {"LATCHKEY_ENV": "development", "LATCHKEY_DATA_DIR": str(folder.parent)}
    return load({**URLS, **environ, "LATCHKEY_TEMPLATES": str(folder)})


def test_copies_of_our_templates_are_accepted(folder: Path) -> None:
    """Every page can be rendered with sample values, whatever its variables are."""
    for path in TEMPLATES.glob("*.html"):
        shutil.copy(path, folder / "pages")
    (folder / "mails/verify.txt").write_text(blocks(ROOT / "docs/branding.md", "jinja")[0])
    (folder / "mails/reset.html").write_text('<p>{{ product }} {{ link }} <b>{{ _("Time:") }}</b> {{ asked }}</p>')
    assert list(template_problems(settings_with(folder))) == []
    [finding] = check_templates(settings_with(folder))
    assert finding.state is State.OK


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("pages/reset.html", "\n{% if %}", r"pages/reset\.html, line 2: Expected an expression"),
        ("pages/reset.html", "\n\n{{ tokne }}", r"pages/reset\.html, line 3: 'tokne' is undefined"),
        ("pages/reset.html", "{{ token | shout }}", r"pages/reset\.html, line 1: No filter named 'shout'"),
        ("pages/reset.html", '{% extends "frame.html" %}', r"pages/reset\.html, line 1: 'frame\.html' not found"),
        ("pages/base.html", "{{ ''.__class__.__mro__ }}", r"pages/base\.html, line 1: access to attribute"),
        ("pages/rest.html", "", r"pages/rest\.html: there is no page of this name"),
        ("mails/verify.txt", "Hello\n\n{{ lnik }}", r"mails/verify\.txt, line 3: 'lnik' is undefined"),
        ("mails/verify.html", "{% block x %}", r"mails/verify\.html, line 1: Unexpected end of template"),
        ("mails/verify.txt", "\nHello", r"mails/verify\.txt, line 1: the first line must be the subject"),
        ("mails/verifi.txt", "Hello", r"mails/verifi\.\*: there is no mail of this name"),
    ],
)
def test_broken_template_is_named_with_file_and_line(folder: Path, name: str, content: str, problem: str) -> None:
    (folder / name).write_text(content)
    settings = settings_with(folder)
    with pytest.raises(SettingsError, match=f"^LATCHKEY_TEMPLATES: .*{problem}") as refusal:
        require_templates(settings)
    assert len(str(refusal.value).splitlines()) == 1
    assert [finding.state for finding in check_templates(settings)] == [State.ERROR]


@pytest.mark.parametrize("name", ["reset.html", "pages/reset.txt", "mails/reset.jinja", "pages/deep/reset.html"])
def test_file_that_replaces_nothing_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("")
    with pytest.raises(SettingsError, match=re.escape(f"{folder / name} is neither pages/<name>.html nor")):
        settings_with(folder)


def test_service_uses_the_templates_or_does_not_start(isolated_service: Service, folder: Path) -> None:
    (folder / "pages/reset.html").write_text("<h1>Our own {{ product }}</h1>")
    isolated_service.environ["LATCHKEY_TEMPLATES"] = str(folder)
    isolated_service.start_api()
    with isolated_service.client() as client:
        assert client.get("/reset?token=x").status_code == 200
        assert "<h1>Verify your e-mail address</h1>" in client.get("/verify").text
    (folder / "pages/reset.html").write_text("{{ nothing }}")
    for module in ("entrypoints.api", "entrypoints.worker"):
        process = isolated_service.start(module)
        assert process.process.wait(60) == 1
        assert "pages/reset.html, line 1: 'nothing' is undefined" in process.log.read_text()


def test_script_in_a_value_is_not_allowed_by_the_policy(folder: Path) -> None:
    """Also if a template of an operator forgets to escape a value."""
    own = "{{ heading | safe }}<script>\nshow({{ product | tojson }});\n</script><script>{{ text }}</script>"
    (folder / "pages/message.html").write_text(own)
    pages = Pages(
        "http://localhost", name="X", product_url=None, translations=TRANSLATIONS, templates=folder / "pages"
    )
    shown = pages.render("message.html", root="./", language="de", heading="<script>steal()</script>", text="steal()")
    digest = b64encode(hashlib.sha256(b'\nshow("X");\n').digest()).decode()
    assert f"; script-src 'sha256-{digest}';" in shown.headers["Content-Security-Policy"]


def test_kinds_of_mails_are_the_names_of_templates() -> None:
    names = {path.stem for path in (ROOT / "adapters/mail/templates").glob("*.jinja")}
    assert names - {"changes"} == set(MailKind)
