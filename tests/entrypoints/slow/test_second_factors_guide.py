"""The commands of docs/second-factors.md work as they stand."""

import json
import os
import re
import subprocess

from tests.support.service import PASSWORD, ROOT, Service

_BLOCK = re.compile(r"```sh\n(post\(\).*?)```", re.DOTALL)


def test_second_factors_guide_works_in_a_terminal(service: Service) -> None:
    match = _BLOCK.search((ROOT / "docs" / "second-factors.md").read_text())
    assert match is not None
    email = service.user("ada")
    token = service.client().log_in(email).pair["access_token"]
    commands = match[1].replace("http://localhost:8000", service.url).replace("ada@example.org", email)
    commands = commands.replace("a long walk to the lighthouse", PASSWORD)
    python = ROOT / ".venv" / "bin"
    environ = {**os.environ, "TOKEN": token, "PATH": f"{python}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-euc", commands], env=environ, capture_output=True, text=True, timeout=90)
    enrolled, _, logged_in = done.stdout.partition("}{")
    assert '"recovery_codes"' in enrolled, done
    assert json.loads("{" + logged_in)["refresh_token"]
