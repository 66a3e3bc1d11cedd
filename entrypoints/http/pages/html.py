"""HTML pages: templates with autoescaping in the reader's language, and a Content-Security-Policy for each page."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from litestar import Response

from application.texts.ports import Texts, Translations
from domain.branding import DEFAULT_ACCENT, DESIGN, Accent
from domain.invitation import RegistrationMode
from entrypoints.http.identify import AccessChecks
from entrypoints.http.pages.environment import page_environment, scripts_of
from entrypoints.http.pages.style import StyleSheet
from entrypoints.http.request import AnyRequest, preferred_language

ENGLISH = "en"
"""The language of pages for developers."""


class Pages:
    """`name` and `product_url` are those of the product, to which each page links back. `logo` is a path of ours
    without its leading slash. Files in the folder `templates` replace ours."""

    def __init__(
        self,
        public_url: str,
        *,
        name: str,
        product_url: str | None,
        translations: Translations,
        accent: Accent = DEFAULT_ACCENT,
        logo: str | None = None,
        templates: Path | None = None,
        registration: RegistrationMode = RegistrationMode.OPEN,
    ) -> None:
        self._home = f"{urlsplit(public_url).path}/"
        self.style = StyleSheet(accent)
        shared = {
            "product": name,
            "product_url": product_url,
            "accent": accent,
            "design": DESIGN,
            "logo": logo,
            "registration": registration.value,
            "stylesheet": self.style.name,
        }
        self._environments = {
            language: page_environment(translations.of(language), shared, templates)
            for language in translations.languages
        }
        self._scripts = {
            language: {script: _digest(script) for script in scripts_of(environment, templates)}
            for language, environment in self._environments.items()
        }

    def root(self, path: str) -> str:
        """The relative URL of `/` in a page at `path`, because a proxy may add a prefix. For `/` itself it is
        absolute, because the client may have left out the final slash."""
        return "../" * (path.count("/") - 1) or ("./" if path != "/" else self._home)

    def render(
        self,
        template: str,
        *,
        root: str,
        language: str,
        status: int = 200,
        leads_to: str | None = None,
        **values: Any,
    ) -> Response[str]:
        """`root` is the URL of `/`, as `root()` returns it. A page may load nothing but its style sheet, its icon and
        a caught mail, run only a script of its template, and post to and call only its own origin. Browsers hold
        redirects after a form to the same rule, so it names the origin of `leads_to`, a URL to which a form leads in
        the end."""
        text = self._environments[language].get_template(template).render(values, root=root)
        styles = " ".join(["'self'", *sorted({_digest(style) for style in _elements("style", text)})])
        known = self._scripts[language]
        scripts = " ".join(sorted({known[script] for script in _elements("script", text) if script in known}))
        parts = ["default-src 'none'", f"style-src {styles}", "img-src 'self'", "connect-src 'self'"]
        parts += [f"script-src {scripts}"] if scripts else []
        parts += ["frame-src 'self'"] if "<iframe" in text else []
        forms = " ".join(["form-action 'self'", *([] if leads_to is None else [_origin(leads_to)])])
        policy = "; ".join([*parts, forms, "frame-ancestors 'none'", "base-uri 'none'"])
        headers = {
            "Content-Language": language,
            "Content-Security-Policy": policy,
            "Vary": "Accept, Accept-Language",
            # With no-referrer, browsers would send `Origin: null` with forms.
            "Referrer-Policy": "same-origin",
            "X-Robots-Tag": "noindex, nofollow",
        }
        return Response(text, status_code=status, media_type="text/html", headers=headers)


def page(
    request: AnyRequest, template: str, *, language: str | None = None, status: int = 200, **values: Any
) -> Response[str]:
    """In the language of the reader, unless `language` names another one."""
    pages: Pages = request.app.state.pages
    root = pages.root(request.scope["path"])
    return pages.render(template, root=root, language=language or language_of(request), status=status, **values)


def language_of(request: AnyRequest) -> str:
    """The language that the person has chosen in this browser, else the one that the browser prefers."""
    chosen = AccessChecks.of(request.scope).cookies.language_of(request.scope)
    if chosen in translations_of(request).languages:
        return chosen
    return preferred_language(request) or ENGLISH


def texts_of(request: AnyRequest) -> Texts:
    """Translates what a handler says: `texts_of(request).gettext("Your password is changed")`."""
    return translations_of(request).of(language_of(request))


def translations_of(request: AnyRequest) -> Translations:
    translations: Translations = request.app.state.translations
    return translations


def redirect(request: AnyRequest, path: str) -> Response[Any]:
    """Redirect (303) to a path of ours without its leading slash."""
    pages: Pages = request.app.state.pages
    return _see_other(pages.root(request.scope["path"]) + path)


def go_on(request: AnyRequest, target: str) -> Response[Any]:
    """Redirect to what `ReturnTo.accept` has returned: a path of ours, or the URL of a protected page."""
    return redirect(request, target[1:]) if target.startswith("/") else _see_other(target)


def _see_other(location: str) -> Response[Any]:
    # The next page sees whether the browser comes from a sign-in; other origins see nothing.
    return Response(b"", status_code=303, headers={"Location": location, "Referrer-Policy": "same-origin"})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _elements(name: str, text: str) -> Iterator[str]:
    """The contents of the inline elements of a page."""
    return (piece.partition(f"</{name}>")[0] for piece in text.split(f"<{name}>")[1:])


def _digest(content: str) -> str:
    """The source expression of the Content-Security-Policy for an inline element."""
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
