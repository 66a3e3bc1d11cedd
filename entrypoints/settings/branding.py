"""Settings of how pages and mails look."""

from dataclasses import dataclass
from pathlib import Path

from domain.branding import DEFAULT_ACCENT, DEFAULT_COLOR, Accent
from entrypoints.settings.files import in_root
from entrypoints.settings.logo import Logo, logo
from entrypoints.settings.setting import setting

_FOLDERS = {"pages": {".html"}, "mails": {".txt", ".html"}}


def templates(text: str) -> Path:
    """Parse the folder. A file whose name is not that of a template would be ignored without a word."""
    folder = in_root(text)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _FOLDERS.get(str(path.parent.relative_to(folder)), ()):
            raise ValueError(f"{path} is neither pages/<name>.html nor mails/<kind>.txt or mails/<kind>.html")
    return folder


@dataclass(frozen=True, kw_only=True, repr=False)
class Branding:
    accent: Accent = setting(
        "COLOR",
        "colour of buttons and links in pages and mails; dark mode uses a lighter one. Refused if it cannot be read"
        " on white or with white text (contrast below 4.5, WCAG 2.2)",
        parse=Accent.of,
        default=DEFAULT_ACCENT,
        shown=f"`{DEFAULT_COLOR}`",
    )
    logo: Logo | None = setting(
        "LOGO",
        "PNG or SVG file of at most 64 KiB, shown in pages in place of the product's name. An SVG with scripts or"
        " references to other files is refused",
        parse=logo,
        optional=True,
    )
    templates: Path | None = setting(
        "TEMPLATES",
        "folder whose files `pages/<name>.html`, `mails/<kind>.txt` and `mails/<kind>.html` replace single templates;"
        " see [branding](branding.md)",
        parse=templates,
        optional=True,
    )
