"""The previous release on the schema of this one: its own HTTP tests must still pass."""

import subprocess
import sys
from pathlib import Path

from tests.support.releases import unpacked
from tests.support.service import ROOT

TESTS = ("tests/entrypoints/test_journeys.py", "tests/entrypoints/test_races.py")
"""Tests of 0.2.0 for calls under `/v1`: 18 tests with two API processes and a worker."""


def test_http_tests_of_the_previous_release_pass_on_the_new_schema(tmp_path: Path) -> None:
    """Its harness is changed to run the migrations of this release."""
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
