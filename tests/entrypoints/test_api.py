"""The processes that answer, and the one that looks after them."""

import signal
import socket
import subprocess
import sys

import pytest

from tests.entrypoints.service import ROOT, Service

SLEEPY = """
import sys, time
if "spawn_main" in " ".join(sys.orig_argv):
    time.sleep(6)
"""

LOADED = """
import gc, sys
gc.disable()
import {module}
print(gc.isenabled(), *{{"aiosmtplib", "aiosmtpd", "alembic", "zxcvbn"}} & set(sys.modules))
"""


@pytest.mark.parametrize("module", ["entrypoints.api, entrypoints.http.app", "entrypoints.worker"])
def test_what_others_need_is_not_loaded_and_garbage_is_collected_afterwards(module: str) -> None:
    program = [sys.executable, "-c", LOADED.format(module=module)]
    assert subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "True\n"


def test_a_server_does_without_coloured_tracebacks() -> None:
    program = (
        "import runpy, sys; runpy.run_module('entrypoints.api', run_name='__mp_main__'); print(sys.modules['rich'])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_a_process_that_is_slow_to_start_is_not_taken_for_dead(apart: Service) -> None:
    (apart.folder / "sitecustomize.py").write_text(SLEEPY)
    apart.environ |= {"LATCHKEY_PROCESSES": "2", "PYTHONPATH": str(apart.folder)}
    apart.start_api()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_port_that_is_taken_is_told_before_anything_starts(apart: Service, processes: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api = apart.start("entrypoints.api", LATCHKEY_PORT=str(port), LATCHKEY_PROCESSES=processes)
        assert api.process.wait(60) == 1
    said = f"cannot listen on 127.0.0.1:{port}: Address already in use. Set LATCHKEY_PORT to another port."
    assert api.log.read_text() == f"Latchkey cannot start.\nLATCHKEY_PORT: {said}\n"


def test_connections_that_linger_keep_nobody_from_the_port(apart: Service) -> None:
    with (
        socket.create_server(("127.0.0.1", apart.port)) as before,
        socket.create_connection(("127.0.0.1", apart.port)) as client,
    ):
        lingering, _ = before.accept()
        lingering.close()
        before.close()
        client.recv(1)
        apart.start_api()


IMPATIENT = """
import os, sys
class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["AT"]:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
            print("stayed", flush=True)
sys.meta_path.insert(0, Impatient())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["entrypoints.api", "entrypoints.worker"])
def test_who_is_told_to_leave_while_still_loading_leaves_and_says_nothing(
    apart: Service, module: str, number: signal.Signals
) -> None:
    (apart.folder / "sitecustomize.py").write_text(IMPATIENT)
    part = apart.start(module, PYTHONPATH=str(apart.folder), AT="entrypoints.container", SIGNAL=str(int(number)))
    assert part.process.wait(60) == -number
    assert part.log.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_told_to_leave_before_the_application_is_there_does_not_wait_for_it(
    apart: Service, number: signal.Signals
) -> None:
    (apart.folder / "sitecustomize.py").write_text(IMPATIENT)
    environ = {"PYTHONPATH": str(apart.folder), "AT": "entrypoints.http.app", "SIGNAL": str(int(number))}
    part = apart.start("entrypoints.api", LATCHKEY_PROCESSES="1", **environ)
    assert part.process.wait(60) == -number
    [said] = part.log.read_text().splitlines()
    assert "serving" in said
