"""`python -m entrypoints.devserver.preload MODULE FILE SCHEMA`: load a part while its engines are still starting.

To load the API takes a second, longer than starting takes the engines. So both happen at once: the part is loaded,
waits for the file that says where the engines are, takes that into its environment, and is itself from then on.
Where the schema is `absent` it is made in between: another interpreter would have to load SQLAlchemy once more.
"""

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path

LOADED_BEFORE = {"entrypoints.api": ["entrypoints.http.app", "asyncpg", "uvloop", "httptools"]}


def main(module: str, file: Path, schema: str) -> None:
    gc.disable()  # see `entrypoints/api.py`, which turns it on
    for name in LOADED_BEFORE.get(module, []):
        importlib.import_module(name)
    migrate = importlib.import_module("entrypoints.migrate").main if schema == "absent" else None
    part = importlib.import_module(module)
    while not file.exists():  # the parent stops us if it never appears
        time.sleep(0.01)
    os.environ.update(json.loads(file.read_text()))
    if migrate:
        migrate()
    part.main()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
