"""`make bench`, or `make bench ONLY=requests`: runs every module of this folder in its own process and prints one
table. An aim that is not met does not fail the run; a module that breaks does."""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.harness.machine import code_version, describe_machine
from tests.benchmarks.harness.table import ROWS, format_table, read

HERE = Path(__file__).parent


def main() -> int:
    modules = sorted(path.stem for path in HERE.glob("[a-z]*.py"))
    only = os.environ.get("ONLY", "").split()
    if unknown := set(only) - set(modules):
        print(f"ONLY: there is no {', '.join(sorted(unknown))}, but {', '.join(modules)}", file=sys.stderr)
        return 2
    machine, measured, broken = describe_machine(), code_version(), []
    print(machine, flush=True)
    with TemporaryDirectory() as folder:
        rows = Path(folder) / "rows"
        for module in only or modules:
            print(f"\n== {module.replace('_', ' ')}", flush=True)
            began = time.monotonic()
            command = [sys.executable, "-m", f"{__package__}.{module}"]
            if subprocess.call(command, env={**os.environ, ROWS: str(rows)}):
                broken.append(module)
            print(f"    ({time.monotonic() - began:.0f} s)", flush=True)
        print(f"\n{machine}\n\n{format_table(read(rows))}")
    if (now := code_version()) != measured:
        print(f"the code was {measured} and is {now}: parts of the table are another's", file=sys.stderr)
    for module in broken:
        print(f"{module} broke", file=sys.stderr)
    return len(broken)


if __name__ == "__main__":
    sys.exit(main())
