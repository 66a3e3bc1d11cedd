"""`python -m entrypoints.devserver.preload MODULE FILE SCHEMA`: load a part while its engines are starting.

Loading the API takes a second, longer than the start of the engines. So both happen at once: this loads the part,
waits for the file with the URLs of the engines, sets them in the environment and runs the part. If SCHEMA is
`absent`, it migrates first, because another interpreter would have to load SQLAlchemy again.
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
    gc.disable()  # `entrypoints/api.py` enables it again
    for name in LOADED_BEFORE.get(module, []):
        importlib.import_module(name)
    migrate = importlib.import_module("entrypoints.migrate").main if schema == "absent" else None
    part = importlib.import_module(module)
    while not file.exists():  # if it never appears, the parent stops this process
        time.sleep(0.01)
    os.environ.update(json.loads(file.read_text()))
    if migrate:
        migrate()
    part.main()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
