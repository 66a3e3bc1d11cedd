"""Progress of the installation by the first `make run`: lines now and then in a log, a live line at a terminal."""

import hashlib
import os
import pty
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "entrypoints" / "install.py"
NAMES = ("alpha_one", "beta", "gamma")


def wheel(folder: Path, name: str) -> str:
    """Build a package with one empty module, and return its line for a lock file."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    files = {
        f"{name}.py": b"",
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{file},sha256={urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for file, text in files.items()
    )
    with ZipFile(path, "w") as archive:
        for file, text in {**files, f"{name}-1.0.dist-info/RECORD": record.encode()}.items():
            archive.writestr(file, text)
    return f"{name.replace('_', '-')}==1.0 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("install")
    subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
    lines = [wheel(folder, name) for name in NAMES]
    elsewhere = 'other==1.0 ; sys_platform == "win32" \\\n    --hash=sha256:' + "0" * 64 + "\n"
    (folder / "good.lock").write_text("".join([*lines, elsewhere]))
    (folder / "bad.lock").write_text(lines[0].replace("sha256:", "sha256:0000", 1)[:-5] + "\n")
    return folder


def command(folder: Path, lock: str) -> list[str]:
    return [str(folder / ".venv/bin/python"), str(SCRIPT), str(folder / lock)]


def environ(folder: Path) -> dict[str, str]:
    return {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}


def test_failed_installation_shows_the_error(environment: Path) -> None:
    done = subprocess.run(
        command(environment, "bad.lock"), env=environ(environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Installing 1 packages into .venv\n")
    assert "ERROR" in done.stderr


def test_a_log_gets_lines_and_no_spinner(environment: Path) -> None:
    done = subprocess.run(
        command(environment, "good.lock"), env=environ(environment), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert (lines[0], lines[-1]) == ("Installing 3 packages into .venv", "  3 of 3 installed")
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stderr
    imported = [str(environment / ".venv/bin/python"), "-c", f"import {', '.join(NAMES)}"]
    subprocess.run(imported, check=True)


def test_terminal_shows_the_progress(environment: Path) -> None:
    controller, terminal_end = pty.openpty()
    with os.fdopen(controller, "rb", buffering=0) as watched:
        done = subprocess.run(
            command(environment, "good.lock"),
            env=environ(environment),
            stderr=terminal_end,
            capture_output=False,
            check=False,
        )
        os.close(terminal_end)
        shown = watched.read(100_000).decode()
    assert done.returncode == 0
    assert shown.count("\r\x1b[K") >= 2
    assert shown.endswith("\r\x1b[K  3 of 3 installed\r\n")
