"""The processes that answer, and the one that looks after them."""

from tests.entrypoints.service import Service

SLEEPY = """
import sys, time
if "spawn_main" in " ".join(sys.orig_argv):
    time.sleep(6)
"""


def test_a_process_that_is_slow_to_start_is_not_taken_for_dead(apart: Service) -> None:
    (apart.folder / "sitecustomize.py").write_text(SLEEPY)
    apart.environ |= {"LATCHKEY_PROCESSES": "2", "PYTHONPATH": str(apart.folder)}
    apart.start_api()
