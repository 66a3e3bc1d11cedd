"""Pages: templates that escape whatever they are given, and headers that let nothing else in."""

import hashlib
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def page(template: str, *, status: int = 200, **values: Any) -> Response[str]:
    """A page may load nothing, run nothing, and post only to where it came from."""
    text = _ENVIRONMENT.get_template(template).render(values)
    digests = {b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in _STYLE.findall(text)}
    styles = " ".join(f"'sha256-{digest}'" for digest in sorted(digests)) or "'none'"
    policy = f"default-src 'none'; style-src {styles}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    return Response(text, status_code=status, media_type="text/html", headers={"Content-Security-Policy": policy})
