"""`python -m entrypoints.local.late MODULE FILE`: load a part while its engines are still starting.

Loading takes a part longer than starting takes the engines. So both happen at once: the part is loaded, waits for
the file that says where the engines are, takes that into its environment, and is itself from then on.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

LOADED_BEFORE = {"entrypoints.api": ["entrypoints.http.app", "uvloop", "httptools"]}


def main(module: str, file: Path) -> None:
    for name in LOADED_BEFORE.get(module, []):
        importlib.import_module(name)
    part = importlib.import_module(module)
    while not file.exists():  # whoever started us ends us, should it never come
        time.sleep(0.01)
    os.environ.update(json.loads(file.read_text()))
    part.main()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
