"""The wheel: the `latchkey` command works from any folder, without the sources."""

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from entrypoints.release import release
from tests.support.service import ROOT, Service, eventually, free_port


@pytest.fixture(scope="module")
def latchkey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `latchkey` command of an environment with the wheel and the locked libraries."""
    folder = tmp_path_factory.mktemp("package")
    sources = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in sources.splitlines():
        if (ROOT / name).is_file():
            (folder / "sources" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "sources" / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "sources")]
    subprocess.run(build, check=True, cwd=folder)
    [wheel] = folder.glob("latchkey-*.whl")
    shutil.rmtree(folder / "sources")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, cwd=folder)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin" / "latchkey"


@pytest.fixture
def environ(service: Service) -> dict[str, str]:
    """The settings, without PATH, which the command does not need."""
    return {name: value for name, value in service.environ.items() if name.startswith("LATCHKEY_")}


def run(latchkey: Path, *arguments: str, environ: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        [latchkey, *arguments], env=environ, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def api(latchkey: Path, environ: dict[str, str], tmp_path: Path) -> Iterator[str]:
    port = free_port()
    with subprocess.Popen([latchkey, "api"], env={**environ, "LATCHKEY_PORT": str(port)}, cwd=tmp_path) as process:
        yield f"http://127.0.0.1:{port}"
        process.terminate()
    assert process.returncode == 0


def test_command_shows_its_version_and_migrates_from_any_folder(
    latchkey: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    for name in ("migrations", "adapters"):  # packages of the same name in another project
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('of another project')")
    assert run(latchkey, "--version", environ={}, folder=tmp_path).split()[-1] == release()
    assert "nothing to do" in run(latchkey, "migrate", environ=environ, folder=tmp_path)
    listed = run(latchkey, "users", "find", "--json", "nobody@example.org", environ=environ, folder=tmp_path)
    assert json.loads(listed) == []
    assert sorted(it.name for it in tmp_path.iterdir()) == ["adapters", "migrations"]


def test_api_of_the_wheel_serves_calls_pages_and_openapi(api: str) -> None:
    def ready() -> bool:
        try:
            return httpx.get(f"{api}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    eventually(ready)
    for path in ("/", "/docs", "/openapi.json", "/verify?token=none", "/.well-known/jwks.json"):
        answer = httpx.get(f"{api}{path}")
        assert answer.status_code in {200, 410}, (path, answer.text)
