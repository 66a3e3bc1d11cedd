"""The files for containers, Kubernetes and systemd name settings, commands and paths that exist."""

import configparser
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest
import yaml
from packaging.requirements import Requirement

from adapters.tokens.key_files import make_key
from entrypoints.api import SHUTDOWN_GRACE
from entrypoints.cli import latchkey
from entrypoints.settings import load
from entrypoints.settings.settings import ROWS
from tests.support.documents import OPERATIONS, blocks, with_real_values
from tests.support.programs import program
from tests.support.proxies import AROUND, listening
from tests.support.service import ROOT, Service, free_port

DEPLOY = ROOT / "docs" / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [
    manifest for file in sorted(DEPLOY.glob("kubernetes/*.yaml")) for manifest in yaml.safe_load_all(file.read_text())
]
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETTINGS = {row.variable for row in ROWS.values()}


def unknown_settings(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("LATCHKEY_") and name.removesuffix("_FILE") not in SETTINGS]


def instructions(keyword: str) -> list[str]:
    """The arguments of an instruction in the Dockerfile."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return re.findall(rf"^{keyword} (.*)$", text, re.MULTILINE)


def command_of(keyword: str) -> list[str]:
    command: list[str] = json.loads(instructions(keyword)[-1].partition("CMD ")[2] or instructions(keyword)[-1])
    return command


def copied() -> set[str]:
    """The files that the image copies from the repository."""
    sources = (line.split()[:-1] for line in instructions("COPY") if not line.startswith("--from"))
    return {source for line in sources for source in line}


# -- the image ---------------------------------------------------------------------------------------------


def test_dockerfile_copies_the_package_and_dockerignore_the_rest() -> None:
    assert [name for name in copied() if not (ROOT / name).exists()] == []
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied()
    assert copied().isdisjoint({".", ".data", ".env", ".git", ".secrets", ".venv", "dist", "keys", "tests"})


def test_dockerfile_locks_every_build_requirement() -> None:
    needed = [Requirement(name) for name in PROJECT["build-system"]["requires"]]
    names = set()
    while needed:
        requirement = needed.pop()
        if requirement.marker is None or requirement.marker.evaluate({"extra": "", "python_version": "3.13"}):
            names.add(requirement.name)
            needed += [Requirement(text) for text in requires(requirement.name) or []]
    [locked] = re.findall(r"\^\(([a-z|-]+)\)==", DOCKERFILE)
    assert set(locked.split("|")) == names


def test_image_runs_the_api_as_an_unprivileged_user() -> None:
    init, _, entrypoint = command_of("ENTRYPOINT")
    assert init == "tini"
    assert entrypoint in PROJECT["project"]["scripts"]
    assert command_of("CMD")[0] in latchkey.commands
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", instructions("USER")[-1])
    assert unknown_settings(re.findall(r"LATCHKEY_\w+", DOCKERFILE)) == []


def test_image_healthcheck_reports_whether_the_api_runs(service: Service) -> None:
    program, *arguments = command_of("HEALTHCHECK")
    assert program == "python"
    for port, status in ((service.port, 0), (free_port(), 1)):
        done = subprocess.run(
            [sys.executable, *arguments], env={"LATCHKEY_PORT": str(port)}, capture_output=True, check=False
        )
        assert done.returncode == status, done.stderr


# -- compose -----------------------------------------------------------------------------------------------

OWN_SERVICES = {name: it for name, it in COMPOSE["services"].items() if it["image"].startswith("latchkey")}


def test_compose_starts_commands_that_exist_with_settings_that_exist() -> None:
    assert set(OWN_SERVICES) == {"migrate", "api", "worker"}
    for name, it in OWN_SERVICES.items():
        assert it.get("command", "api") == name
        assert name in latchkey.commands
        assert unknown_settings(list(it["environment"])) == []
        assert it["read_only"] is True
        assert int(it["stop_grace_period"].removesuffix("s")) > SHUTDOWN_GRACE
    assert OWN_SERVICES["api"]["deploy"]["replicas"] == OWN_SERVICES["worker"]["deploy"]["replicas"] == 2


def test_compose_mounts_files_and_secrets_that_exist() -> None:
    for it in COMPOSE["services"].values():
        assert set(it.get("secrets", [])) <= set(COMPOSE["secrets"])
        for name, value in it.get("environment", {}).items():
            if name.endswith("_FILE"):
                assert Path(value).name in it["secrets"], name
        for source in [volume.split(":")[0] for volume in it.get("volumes", [])]:
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"], source
    assert "/.secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_secrets_of_the_guide_are_valid_settings_of_compose(tmp_path: Path) -> None:
    [script] = [block for block in blocks(OPERATIONS) if ".secrets" in block]
    made, *commands = script.split("docker compose ")
    assert [command.split()[0] for command in commands] == ["build", "run", "up"]
    assert "--rm migrate keys rotate" in commands[1]
    subprocess.run(["sh", "-euc", f"umask 077\n{made}"], cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    folder = tmp_path / ".secrets"
    assert {Path(it["file"]).name for it in COMPOSE["secrets"].values()} == {path.name for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o004, f"the user of the container cannot read {path}"
    make_key(tmp_path / "keys")
    environ = {name: str(value) for name, value in OWN_SERVICES["worker"]["environment"].items()}
    for name, value in environ.items():
        environ[name] = value.replace("/run/secrets", str(folder))
    assert environ["LATCHKEY_SIGNING_KEYS"] == OWN_SERVICES["api"]["volumes"][0].split(":")[1] == "/keys"
    environ["LATCHKEY_SIGNING_KEYS"] = str(tmp_path / "keys")
    settings = load({**environ, "LATCHKEY_ENV": "production"}, mails=True)
    password = (folder / "postgres_password").read_text().strip()
    postgres = COMPOSE["services"]["postgres"]["environment"]
    assert settings.database_url == f"postgresql://{postgres['POSTGRES_USER']}:{password}@postgres/latchkey"
    [network] = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert [str(proxy) for proxy in settings.trusted_proxies] == [network["subnet"]]


# -- Kubernetes --------------------------------------------------------------------------------------------

PODS: dict[str, dict[str, Any]] = {
    it["metadata"]["name"]: it["spec"]["template"] for it in MANIFESTS if it["kind"] in {"Deployment", "Job"}
}
CONFIG: dict[str, str] = next(it["data"] for it in MANIFESTS if it["kind"] == "ConfigMap")


def settings_of(container: dict[str, Any]) -> dict[str, str]:
    environ = {it["name"]: it.get("value", "") for it in container.get("env", [])}
    return (CONFIG if "envFrom" in container else {}) | environ


@pytest.mark.parametrize("name", ["latchkey-migrate", "latchkey-api", "latchkey-worker"])
def test_kubernetes_pod_is_restricted_and_its_references_exist(name: str) -> None:
    pod = PODS[name]["spec"]
    [container] = pod["containers"]
    assert container["args"] == [name.removeprefix("latchkey-")]
    assert container["args"][0] in latchkey.commands
    assert unknown_settings(list(settings_of(container))) == []
    assert "LATCHKEY_DATABASE_URL_FILE" in settings_of(container)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == instructions("USER")[-1]
    assert pod["enableServiceLinks"] is False
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]
    assert {it["name"] for it in container["volumeMounts"]} == {it["name"] for it in pod["volumes"]}
    mounts = tuple(it["mountPath"] for it in container["volumeMounts"])
    for setting, value in settings_of(container).items():
        if setting.endswith("_FILE") or setting == "LATCHKEY_SIGNING_KEYS":
            assert value.startswith(mounts), setting


@pytest.mark.parametrize("name", ["latchkey-api", "latchkey-worker"])
def test_kubernetes_settings_are_valid_in_production(name: str, tmp_path: Path) -> None:
    make_key(tmp_path / "latchkey-keys")
    compose = OWN_SERVICES["api"]["environment"]
    secrets = {"database_url": "postgresql://u@h/d", "secret_key": token_hex(32)}
    secrets["encryption_keys"] = token_hex(32)
    secrets |= {"redis_url": compose["LATCHKEY_REDIS_URL"], "smtp_url": compose["LATCHKEY_SMTP_URL"]}
    (tmp_path / "latchkey").mkdir()
    for file, text in secrets.items():
        (tmp_path / "latchkey" / file).write_text(f"{text}\n")
    [container] = PODS[name]["spec"]["containers"]
    environ = {k: v.replace("/run/secrets", str(tmp_path)) for k, v in settings_of(container).items()}
    settings = load({**environ, "LATCHKEY_ENV": "production"}, mails=True)
    assert settings.unknown == ()
    stop = settings.drain.total_seconds() + SHUTDOWN_GRACE
    assert PODS[name]["spec"]["terminationGracePeriodSeconds"] > stop
    assert settings.drain.total_seconds() > 0


def test_kubernetes_probes_request_existing_paths(service: Service) -> None:
    [container] = PODS["latchkey-api"]["spec"]["containers"]
    probes = {name: it["httpGet"] for name, it in container.items() if name.endswith("Probe")}
    assert set(probes) == {"startupProbe", "livenessProbe", "readinessProbe"}
    ports = {it["name"] for it in container["ports"]}
    for probe in probes.values():
        assert probe["port"] in ports
        assert httpx.get(f"{service.url}{probe['path']}").status_code == 200
    assert probes["livenessProbe"]["path"] == "/health/live"
    assert probes["readinessProbe"]["path"] == "/health/ready"


def test_kubernetes_selectors_find_their_pods() -> None:
    for manifest in MANIFESTS:
        spec = manifest.get("spec", {})
        labels = spec["selector"].get("matchLabels", spec["selector"]) if "selector" in spec else {}
        matches = [name for name, pod in PODS.items() if labels.items() <= pod["metadata"]["labels"].items()]
        if labels:
            expected = "latchkey-api" if manifest["kind"] == "Service" else manifest["metadata"]["name"]
            assert matches == [expected], manifest["metadata"]["name"]
    budgets = {it["metadata"]["name"] for it in MANIFESTS if it["kind"] == "PodDisruptionBudget"}
    assert budgets == {it["metadata"]["name"] for it in MANIFESTS if it["kind"] == "Deployment"}


# -- systemd -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.stem)
def test_systemd_unit_starts_a_command_that_exists(file: Path) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read_string(file.read_text())
    service = unit["Service"]
    program, command = service["ExecStart"].split()
    assert Path(program).name in PROJECT["project"]["scripts"]
    assert command in latchkey.commands
    assert command == re.split("[-@]", file.stem)[1]
    lines = re.findall(r"^Environment=(\w+)=(.*)$", file.read_text(), re.MULTILINE)
    assert ("LATCHKEY_ENV", "production") in lines
    assert unknown_settings([name for name, _ in lines]) == []
    assert "network-online.target" in unit["Unit"]["After"]
    if command == "api":
        assert ("LATCHKEY_PROCESSES", "1") in lines  # a unit for each port, and so for each process
    if command != "migrate":
        assert service["KillMode"] == "mixed"
        assert int(service["TimeoutStopSec"]) > SHUTDOWN_GRACE


# -- nginx -------------------------------------------------------------------------------------------------


@pytest.fixture
def site(service: Service, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The nginx of compose.yaml in front of the service: the URLs of Latchkey and of the page for members."""
    accounts, page, yours = free_port(), free_port(), free_port()
    databases = {
        "8080;": f"127.0.0.1:{accounts};",
        "8081;": f"127.0.0.1:{page};",
        "127.0.0.1:9000": f"127.0.0.1:{yours}",
    }
    databases |= {"$latchkey api;": "$latchkey 127.0.0.1;", ":8000": f":{service.port}"}
    (tmp_path / "nginx.conf").write_text(
        AROUND.format(with_real_values((DEPLOY / "nginx.conf").read_text(), databases))
    )
    command = [program("nginx"), "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr"]
    with listening(command, folder=tmp_path, log=tmp_path / "nginx.log", port=page):
        yield f"http://127.0.0.1:{accounts}", f"http://127.0.0.1:{page}"


def test_nginx_of_compose_protects_the_page_by_login(service: Service, site: tuple[str, str]) -> None:
    accounts, page = site
    member = service.member()
    seen = httpx.get(page, headers=dict(member.headers))
    user = httpx.get(f"{accounts}/v1/me", headers=dict(member.headers)).json()
    assert seen.text == f"Hello {user['id']}, your role is member.\n"
    forged = {"X-Auth-User": "admin", "X-Auth-Role": "admin"}
    assert httpx.get(page, headers=forged).status_code == 401
    assert httpx.get(page, headers={**dict(member.headers), **forged}).text == seen.text
    assert httpx.get(f"{accounts}/metrics").status_code == 404
    assert httpx.get(f"{accounts}/health/ready").status_code == 200
