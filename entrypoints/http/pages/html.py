"""HTML pages: templates with autoescaping, and a Content-Security-Policy for each page."""

import hashlib
import re
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Pages:
    """`name` and `product_url` are those of the product, to which each page links back."""

    def __init__(self, public_url: str, *, name: str, product_url: str | None) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._home = f"{urlsplit(public_url).path}/"
        self._environment.globals |= {"product": name, "product_url": product_url}

    def root(self, path: str) -> str:
        """The relative URL of `/` in a page at `path`, because a proxy may add a prefix. For `/` itself it is
        absolute, because the client may have left out the final slash."""
        return "../" * (path.count("/") - 1) or ("./" if path != "/" else self._home)

    def render(
        self, template: str, *, root: str, status: int = 200, connects: bool = False, **values: Any
    ) -> Response[str]:
        """`root` is the URL of `/`, as `root()` returns it. A page may load nothing but its icon and a caught mail,
        run only the script that it contains, and post only to its own origin. If it `connects`, its script may call
        that origin."""
        text = self._environment.get_template(template).render(values, root=root)
        parts = ["default-src 'none'", f"style-src {_digests(_STYLE, text)}", "img-src 'self'"]
        parts += [f"script-src {_digests(_SCRIPT, text)}"] if "<script>" in text else []
        parts += ["connect-src 'self'"] if connects else []
        parts += ["frame-src 'self'"] if "<iframe" in text else []
        policy = "; ".join([*parts, "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
        headers = {"Content-Security-Policy": policy, "X-Robots-Tag": "noindex, nofollow"}
        return Response(text, status_code=status, media_type="text/html", headers=headers)


def page(request: Request[Any, Any, Any], template: str, *, status: int = 200, **values: Any) -> Response[str]:
    pages: Pages = request.app.state.pages
    return pages.render(template, root=pages.root(request.scope["path"]), status=status, **values)


def _digests(element: re.Pattern[str], text: str) -> str:
    """The CSP hashes of the inline elements of a page."""
    digests = {b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in element.findall(text)}
    return " ".join(f"'sha256-{digest}'" for digest in sorted(digests))
