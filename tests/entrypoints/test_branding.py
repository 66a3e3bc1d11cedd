"""Branding: logo and colour, checked when the service starts."""

import re
import struct
import zlib
from pathlib import Path

import pytest

from entrypoints.settings import SettingsError, load
from tests.support.service import Service

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{}</svg>'
GOOD = SVG.format('<defs><path id="a" d="M0 0h8v8z"/></defs><use href="#a" style="fill: url(#g); color: red"/>')


def png() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def problems(**named: str) -> str:
    """What is wrong with these settings of a development server."""
    environ = {f"LATCHKEY_{name}": value for name, value in named.items()}
    urls = {"LATCHKEY_DATABASE_URL": "postgresql://127.0.0.1/x", "LATCHKEY_REDIS_URL": "redis://127.0.0.1:1"}
    try:
        load({**urls, "LATCHKEY_ENV": "development", **environ})
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("content", [GOOD.encode(), b'<?xml version="1.0"?>\n' + GOOD.encode(), png()])
def test_harmless_logo_is_accepted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "logo").write_bytes(content)
    assert problems(LOGO=str(tmp_path / "logo"), DATA_DIR=str(tmp_path)) == ""


@pytest.mark.parametrize(
    "content",
    [
        SVG.format("<script>alert(1)</script>"),
        SVG.format("<ScRiPt/>"),
        SVG.format('<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>'),
        SVG.format('<rect onload="alert(1)"/>'),
        SVG.format('<a href="javascript:alert(1)"><rect/></a>'),
        SVG.format('<a href="https://evil.example"><rect/></a>'),
        SVG.format('<use href="other.svg#a"/>'),
        SVG.format('<image href="data:image/svg+xml,x"/>'),
        SVG.format('<image xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="//evil.example/x.png"/>'),
        SVG.format("<rect style=\"fill: url( 'https://evil.example/x')\"/>"),
        SVG.format('<rect fill="url(//evil.example/x)"/>'),
        SVG.format("<style>@import '//evil.example/x';</style>"),
        SVG.format("<style><![CDATA[a { background: URL(x) }]]></style>"),
        SVG.format('<set attributeName="href" to="javascript:alert(1)"/>'),
        SVG.format('<animate attributeName="href" values="javascript:alert(1)"/>'),
        SVG.format('<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>'),
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + GOOD,
        '<!DOCTYPE svg SYSTEM "http://evil.example/x.dtd">' + GOOD,
        '<?xml-stylesheet href="//evil.example/x.css"?>' + GOOD,
        "<svg/>",
        '<html xmlns="http://www.w3.org/1999/xhtml"/>',
        "GIF89a",
        "",
        GOOD + "<",
        GOOD.encode("utf-16").decode("latin-1"),
        '<?xml version="1.0" encoding="iso-2022-jp"?>' + GOOD,
    ],
)
def test_logo_that_runs_or_loads_something_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "logo.svg"
    path.write_text(content, encoding="latin-1")
    assert problems(LOGO=str(path)).startswith(f"LATCHKEY_LOGO: {path} is neither a PNG nor a harmless SVG file")


def test_large_or_missing_logo_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.svg"
    large.write_text(SVG.format("x" * 65536))
    assert problems(LOGO=str(large)) == f"LATCHKEY_LOGO: {large} is larger than 64 KiB"
    assert problems(LOGO=str(tmp_path / "none")).endswith("cannot be read (No such file or directory)")
    assert problems(LOGO=str(tmp_path)).endswith("cannot be read (Is a directory)")


def test_unreadable_color_is_refused() -> None:
    assert problems(COLOR="#ffcc00").startswith("LATCHKEY_COLOR: must be darker: its contrast")
    assert problems(COLOR="teal") == "LATCHKEY_COLOR: must be a colour such as #0b6b63"


def test_pages_have_logo_and_color(isolated_service: Service, tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text(GOOD)
    isolated_service.environ |= {"LATCHKEY_LOGO": str(logo), "LATCHKEY_COLOR": "#5B21B6"}
    isolated_service.start_api()
    with isolated_service.client() as client:
        page = client.get("/reset").text
        [style] = re.findall(r'href="\./(style/[^"]+)"', page)
        assert "#5b21b6" in client.get(f"/{style}").text
        [path] = {part.split('"')[0] for part in page.split('src="./')[1:]}
        shown = client.get(f"/{path}")
        assert (shown.text, shown.headers["Content-Type"]) == (GOOD, "image/svg+xml")
        assert shown.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "sandbox" in shown.headers["Content-Security-Policy"]
        assert client.get("/logo/other.svg").status_code == 404
