"""`make bench`, or `make bench ONLY=a_million_users`: every module beside this one, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    modules = sorted(path.stem for path in HERE.glob("[a-z]*.py"))
    only = os.environ.get("ONLY", "").split()
    if unknown := set(only) - set(modules):
        print(f"ONLY: there is no {', '.join(sorted(unknown))}, but {', '.join(modules)}", file=sys.stderr)
        return 2
    failed = 0
    for module in only or modules:
        print(f"\n== {module.replace('_', ' ')}", flush=True)
        failed |= subprocess.call([sys.executable, "-m", f"{__package__}.{module}"])
    return failed


if __name__ == "__main__":
    sys.exit(main())
