"""The HTTP tests pass behind PgBouncer as well."""

import subprocess
import sys

import pytest

from tests.support.service import ROOT


@pytest.mark.parametrize("module", ["test_journeys.py", "slow/test_races.py"])
def test_http_tests_pass_behind_pgbouncer(module: str) -> None:
    tests = f"tests/entrypoints/{module}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--pgbouncer", tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
