"""`python -m tests.support.picture_index FOLDER`: a page with all screenshots of a folder, a row for each state."""

import re
import sys
from html import escape
from pathlib import Path

_NAME = re.compile(r"(?P<state>.+?)-(?P<view>(?:light|dark)-\d+)\.png")
_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Screenshots</title>
<style>
body { margin: 24px; font: 14px/1.5 system-ui, sans-serif; background: #888; }
.row { display: flex; gap: 16px; align-items: start; margin: 0 0 32px; overflow-x: auto; }
figure { margin: 0; }
img { display: block; height: 420px; }
</style>
"""


def index(folder: Path) -> str:
    rows: dict[str, list[Path]] = {}
    for picture in sorted(folder.glob("*.png")):
        if (match := _NAME.fullmatch(picture.name)) is not None:
            rows.setdefault(match["state"], []).append(picture)
    parts = [_PAGE]
    for state, pictures in rows.items():
        parts.append(f'<h2 id="{escape(state)}">{escape(state)}</h2>\n<div class="row">')
        for picture in pictures:
            name = escape(picture.name)
            parts.append(f'<figure><a href="{name}"><img src="{name}" alt="{name}" loading="lazy"></a></figure>')
        parts.append("</div>")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (target / "index.html").write_text(index(target))
    print(target / "index.html")
