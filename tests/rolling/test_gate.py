"""The release before, on the schema of this one: its own HTTP tests must still pass."""

import subprocess
import sys
from pathlib import Path

from tests.support.releases import unpacked
from tests.support.service import ROOT

TESTS = ("tests/entrypoints/test_journeys.py", "tests/entrypoints/test_races.py")
"""Calls of 0.2.0 under `/v1`, in 18 tests over two API processes and a worker."""


def test_the_http_tests_of_the_release_before_pass_on_the_new_schema(tmp_path: Path) -> None:
    """Its harness is changed where it migrates: there the migrations of this release run."""
    root = unpacked(tmp_path)
    harness = root / "tests/entrypoints/conftest.py"
    text = harness.read_text()
    assert text.count("cwd=ROOT") == 1
    harness.write_text(text.replace("cwd=ROOT", f"cwd={str(ROOT)!r}"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    assert "18 passed" in done.stdout
