"""The API processes and their supervisor: start, stop, ports and memory."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from tests.support.service import ROOT, Service, code, eventually

SLEEPY = """
import sys, time
if "spawn_main" in " ".join(sys.orig_argv):
    time.sleep(6)
"""

LOADED = """
import gc, sys
gc.disable()
import {module}
print(gc.isenabled(), *{{"aiosmtplib", "aiosmtpd", "alembic", "segno", "webauthn", "zxcvbn"}} & set(sys.modules))
"""


@pytest.mark.parametrize("module", ["entrypoints.api, entrypoints.http.app", "entrypoints.worker.__main__"])
def test_unneeded_modules_are_not_loaded_and_gc_runs_afterwards(module: str) -> None:
    program = [sys.executable, "-c", LOADED.format(module=module)]
    assert subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "True\n"


def test_sigterm_ends_a_single_process_with_status_0(isolated_service: Service) -> None:
    assert isolated_service.start_api().stop(signal.SIGTERM) == 0


def test_server_does_not_load_coloured_tracebacks() -> None:
    program = (
        "import runpy, sys; runpy.run_module('entrypoints.api', run_name='__mp_main__'); print(sys.modules['rich'])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_slow_start_of_a_process_is_tolerated(isolated_service: Service) -> None:
    (isolated_service.folder / "sitecustomize.py").write_text(SLEEPY)
    isolated_service.environ |= {"LATCHKEY_PROCESSES": "2", "PYTHONPATH": str(isolated_service.folder)}
    isolated_service.start_api()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_used_port_is_reported_before_the_start(isolated_service: Service, processes: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api = isolated_service.start("entrypoints.api", LATCHKEY_PORT=str(port), LATCHKEY_PROCESSES=processes)
        assert api.process.wait(60) == 1
    message = f"cannot listen on 127.0.0.1:{port}: Address already in use. Set LATCHKEY_PORT to another port."
    assert api.log.read_text() == f"Latchkey cannot start.\nLATCHKEY_PORT: {message}\n"


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("host", ["nohost.invalid", "192.0.2.1", "a..b"])
def test_unusable_host_is_reported_by_its_setting(isolated_service: Service, host: str, processes: str) -> None:
    api = isolated_service.start("entrypoints.api", LATCHKEY_HOST=host, LATCHKEY_PROCESSES=processes)
    assert api.process.wait(60) == 1
    said = api.log.read_text()
    assert said.startswith(
        f"Latchkey cannot start.\nLATCHKEY_HOST: cannot listen on {host}:{isolated_service.port}: "
    )
    assert said.count("\n") == 2
    assert "LATCHKEY_PORT" not in said


@pytest.mark.parametrize("processes", ["1", "2"])
def test_host_may_be_an_ipv6_address_in_brackets(isolated_service: Service, processes: str) -> None:
    isolated_service.environ |= {"LATCHKEY_HOST": "[::1]", "LATCHKEY_PROCESSES": processes}
    isolated_service.url = f"http://[::1]:{isolated_service.port}"
    isolated_service.start_api()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_ignored_service_links_are_logged_once(isolated_service: Service, processes: str) -> None:
    links = {"LATCHKEY_NAME": "/web/latchkey", "LATCHKEY_SERVICE_HOST": "10.3.240.17"}
    isolated_service.environ |= {"LATCHKEY_PROCESSES": processes, **links}
    said = isolated_service.start_api().log.read_text()
    assert said.count("service_links_ignored") == 1
    assert "unknown_settings" not in said


def test_closed_stdout_does_not_stop_the_api(isolated_service: Service) -> None:
    program = ["sh", "-c", 'exec "$0" -m entrypoints.api >&-', sys.executable]
    with subprocess.Popen(program, cwd=ROOT, env={**os.environ, **isolated_service.environ}) as api:
        try:
            eventually(lambda: answers(isolated_service), within=60)
            assert api.poll() is None
        finally:
            api.terminate()


def answers(service: Service) -> bool:
    try:
        return httpx.get(f"{service.url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_lingering_connections_do_not_block_the_port(isolated_service: Service) -> None:
    with (
        socket.create_server(("127.0.0.1", isolated_service.port)) as before,
        socket.create_connection(("127.0.0.1", isolated_service.port)) as client,
    ):
        lingering, _ = before.accept()
        lingering.close()
        before.close()
        client.recv(1)
        isolated_service.start_api()


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
def test_process_stopped_while_loading_exits_silently(
    isolated_service: Service, module: str, number: signal.Signals
) -> None:
    (isolated_service.folder / "sitecustomize.py").write_text(IMPATIENT)
    part = isolated_service.start(
        module, PYTHONPATH=str(isolated_service.folder), AT="entrypoints.container", SIGNAL=str(int(number))
    )
    assert part.process.wait(60) == -number
    assert part.log.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_process_stopped_before_the_app_exists_exits_at_once(
    isolated_service: Service, number: signal.Signals
) -> None:
    (isolated_service.folder / "sitecustomize.py").write_text(IMPATIENT)
    environ = {"PYTHONPATH": str(isolated_service.folder), "AT": "entrypoints.http.app", "SIGNAL": str(int(number))}
    part = isolated_service.start("entrypoints.api", LATCHKEY_PROCESSES="1", **environ)
    assert part.process.wait(60) == -number
    [line] = part.log.read_text().splitlines()
    assert "serving" in line


@pytest.mark.parametrize("processes", ["1", "2"])
def test_readiness_fails_before_the_listener_closes(isolated_service: Service, processes: str) -> None:
    isolated_service.environ |= {"LATCHKEY_PROCESSES": processes, "LATCHKEY_DRAIN_SECONDS": "300"}
    api = isolated_service.start_api()
    api.process.send_signal(signal.SIGTERM)

    def draining() -> bool:
        # A new connection for each request, so that every process gets some.
        return all(httpx.get(f"{isolated_service.url}/health/ready").status_code == 503 for _ in range(10))

    eventually(draining)
    answer = httpx.get(f"{isolated_service.url}/health/ready")
    assert (code(answer), answer.json()["detail"]) == ("unavailable", "Shutting down.")
    assert httpx.head(f"{isolated_service.url}/health/ready").status_code == 503
    assert httpx.get(f"{isolated_service.url}/health/live").status_code == 200
    assert code(httpx.get(f"{isolated_service.url}/v1/me")) == "token_missing"
    api.process.send_signal(signal.SIGINT)  # a second signal, to stop at once
    api.process.wait(60)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_process_exits_after_draining(isolated_service: Service, processes: str) -> None:
    isolated_service.environ |= {"LATCHKEY_PROCESSES": processes, "LATCHKEY_DRAIN_SECONDS": "1"}
    api = isolated_service.start_api()
    before = time.monotonic()
    api.process.send_signal(signal.SIGTERM)
    api.process.wait(60)
    assert time.monotonic() - before >= 1
