"""`keys list` and `keys rotate`, at a given time and from the command line."""

import re
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.tokens.key_files import KeyEntry
from adapters.tokens.pem_keys import Algorithm, SigningKey, new_pem
from entrypoints.cli import main
from entrypoints.cli.key_rotation import MAY_GO_AFTER, rotate, show, superseded
from entrypoints.settings import LONGEST_ACCESS, LONGEST_KEY_DELAY
from tests.support.key_files import AT, load_keys, private_pem, public_pem, put

NOW, DELAY = datetime.fromtimestamp(AT, UTC), timedelta(seconds=60)
DEAD = MAY_GO_AFTER.total_seconds()
PRIVATE = {name: Ed25519PrivateKey.generate() for name in "abcd"}
KID = {SigningKey.of(key).kid: name for name, key in PRIVATE.items()}


class Folder:
    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self._capsys = path, capsys

    def put(self, name: str, age: float, *, public: bool = False) -> None:
        key = PRIVATE[name]
        put(self.path, f"{name}{'.pub' * public}.pem", (public_pem if public else private_pem)(key), age=age)

    def printed_rows(self) -> list[tuple[str, str]]:
        """The printed state of each key; a key that was just created is `new`."""
        lines = [re.split("  +", line) for line in self._capsys.readouterr().out.splitlines()[1:]]
        return [(KID.get(line[0], "new"), line[3]) for line in lines]

    def listed(self) -> list[tuple[str, str]]:
        show(self.path, now=NOW, delay=DELAY)
        return self.printed_rows()

    def rotated(self) -> list[tuple[str, str]]:
        """Puts a brand-new key there first, so that the created key gets its time from the clock of the test."""
        self.put("d", 0, public=True)
        rotate(self.path, now=NOW, delay=DELAY)
        return self.printed_rows()

    def remaining(self) -> str:
        return " ".join(sorted(KID.get(key.kid, "new") for key in load_keys(self.path)))


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Folder:
    return Folder(tmp_path, capsys)


def at(seconds: float) -> str:
    return f"{NOW + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def test_token_never_outlives_its_key() -> None:
    assert LONGEST_ACCESS + LONGEST_KEY_DELAY + timedelta(minutes=5) <= MAY_GO_AFTER


@pytest.mark.parametrize(
    ("ages", "followed"),
    [
        # A process that starts now may sign with the second newest key.
        ({"b": 20, "a": 30}, {}),
        ({"c": 20, "b": 50, "a": 70}, {"a": 20}),
        ({"d": 20, "c": 40, "b": 50, "a": 70}, {"b": 20, "a": 40}),
        # The newest key was there before the others, so they are superseded for longer.
        ({"d": 50, "c": 20, "b": 40, "a": 70}, {"b": 20, "a": 40}),
        # A file that arrived after the newer ones may have signed elsewhere until then.
        ({"c": 30, "b": 40, "a": 10}, {"a": 10}),
    ],
)
def test_a_key_no_longer_signs_once_there_are_two_newer_ones(
    ages: dict[str, float], followed: dict[str, float]
) -> None:
    keys = [
        KeyEntry(key=SigningKey.of(PRIVATE[name]), files=(), since=NOW - timedelta(seconds=age))
        for name, age in ages.items()
    ]
    assert {KID[kid]: (NOW - at).total_seconds() for kid, at in superseded(keys).items()} == followed


def test_key_list_shows_what_each_key_does(folder: Folder) -> None:
    folder.put("a", DEAD + 500)
    folder.put("b", DEAD)
    folder.put("c", 100)
    folder.put("d", 10)
    assert folder.listed() == [
        ("d", f"verifies, signs from {at(50)}"),
        ("c", "signs"),
        ("b", f"verifies, can be removed from {at(DEAD - 10)}"),
        ("a", f"verifies, can be removed from {at(DEAD - 100)}"),
    ]
    folder.put("d", DEAD)
    folder.put("c", DEAD + 100)
    assert folder.listed() == [
        ("d", "signs"),
        ("c", "verifies, stays until the next rotation"),
        ("b", "verifies, can be removed"),
        ("a", "verifies, can be removed"),
    ]


def test_rotation_keeps_public_keys_that_only_verify(folder: Folder) -> None:
    folder.put("a", 10 * DEAD, public=True)
    folder.put("b", 5 * DEAD)
    folder.put("c", DEAD, public=True)
    assert folder.listed() == [("c", "verifies"), ("b", "signs"), ("a", "verifies")]
    folder.rotated()
    assert folder.remaining() == "a b c d new"


def test_oldest_key_signs_before_the_activation_delay_has_passed(folder: Folder) -> None:
    folder.put("a", 20)
    folder.put("b", 10)
    assert folder.listed() == [("b", f"verifies, signs from {at(50)}"), ("a", "signs")]


def test_rotation_adds_a_key_and_removes_expired_ones(folder: Folder) -> None:
    folder.put("a", 3 * DEAD)
    folder.put("a", 3 * DEAD, public=True)
    folder.put("b", 2 * DEAD)
    folder.put("c", DEAD)
    assert folder.rotated() == [
        ("new", f"verifies, signs from {at(60)}"),
        ("d", "verifies"),
        ("c", "signs"),
        ("b", f"verifies, can be removed from {at(DEAD)}"),
        ("a", "removed: all its tokens have expired"),
    ]
    assert folder.remaining() == "b c d new"


def test_key_with_valid_tokens_is_kept(folder: Folder) -> None:
    folder.put("a", 3 * DEAD)
    folder.put("b", 2 * DEAD)
    folder.put("c", DEAD - 0.001)
    folder.rotated()
    assert folder.remaining() == "a b c d new"


def test_recently_copied_old_key_files_supersede_no_key_yet(folder: Folder) -> None:
    """The file has an old modification time and a recent change time."""
    now = datetime.now(UTC)
    folder.put("a", AT - now.timestamp() + 3 * DEAD)
    folder.put("b", AT - now.timestamp() + 2 * DEAD)
    folder.put("c", AT - now.timestamp() + DEAD)
    rotate(folder.path, now=now, delay=DELAY)
    assert folder.remaining() == "a b c new"


def test_rotation_with_a_fast_clock_removes_nothing(folder: Folder) -> None:
    now = datetime.now(UTC)
    folder.put("a", AT - now.timestamp())
    folder.put("b", AT - now.timestamp() - 1)
    folder.put("c", AT - now.timestamp() - 2)
    rotate(folder.path, now=now + timedelta(days=1), delay=DELAY)
    assert folder.remaining() == "a b c new"


def test_file_without_a_key_is_named_and_kept(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    broken = put(folder.path, "broken.pem", b"")
    folder.put("a", 100)
    folder.put("d", 0, public=True)
    rotate(folder.path, now=NOW, delay=DELAY)
    output = capsys.readouterr()
    assert output.err == f"{broken}: not one PEM key\n"
    assert len(output.out.splitlines()) == 4  # a header and three keys
    assert broken.exists()


def test_concurrent_rotations_are_safe(folder: Folder) -> None:
    for at in range(100):
        dead = private_pem(Ed25519PrivateKey.generate())
        put(folder.path, f"Dead{at}.pem", dead, age=3 * DEAD)
    folder.put("a", 3 * DEAD)
    folder.put("b", 2 * DEAD)
    folder.put("d", 0, public=True)
    with ThreadPoolExecutor(8) as several:
        done = [several.submit(rotate, folder.path, now=NOW, delay=DELAY) for _ in range(24)]
    assert [it.exception() for it in done] == [None] * 24
    assert folder.remaining() == " ".join(["a", "b", "d", *["new"] * 24])
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.path.glob("2*.pem")} == {0o600}


# -- command line -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    status: object
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(keys: Path | None, *action: str, **environ: str) -> Ended:
        known = {} if keys is None else {"LATCHKEY_SIGNING_KEYS": str(keys)}
        for name, value in {"LATCHKEY_ENV": "production", **known, **environ}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["cli", "keys", *action])
        with pytest.raises(SystemExit) as ended:
            main()
        monkeypatch.undo()
        return Ended(ended.value.code, *capsys.readouterr())

    return run


def test_key_commands_need_no_database(tmp_path: Path, cli: Cli) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    assert cli(keys, "list").out == "There are no keys.\n"
    first = cli(keys, "rotate")
    assert (first.status, first.err) == (0, "")
    [old] = load_keys(keys)
    header, line = first.out.splitlines()
    assert header.split() == ["KID", "ALG", "SINCE", "DOES"]
    kid, alg, since, does = line.split()
    assert (kid, alg, does) == (old.kid, "ES256", "signs")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(since)) < timedelta(minutes=1)
    second = cli(keys, "rotate", LATCHKEY_KEY_DELAY="600")
    [new, _] = load_keys(keys)
    lines = [re.split("  +", line) for line in second.out.splitlines()[1:]]
    assert [(line[0], line[3].split(" from ")[0]) for line in lines] == [
        (new.kid, "verifies, signs"),
        (old.kid, "signs"),
    ]
    assert cli(keys, "list", LATCHKEY_KEY_DELAY="600").out == second.out


def test_key_commands_report_a_missing_or_wrong_folder(tmp_path: Path, cli: Cli) -> None:
    file = put(tmp_path, "key.pem", private_pem(PRIVATE["a"]))
    listed = cli(file, "list")
    assert (listed.status, listed.out.splitlines()[1].split()[0]) == (0, SigningKey.of(PRIVATE["a"]).kid)
    for path, why in ((file, "is a file. Keys are rotated in a folder"), (tmp_path / "gone", "does not exist")):
        refused = cli(path, "rotate")
        assert (refused.status, refused.out) == (1, "")
        assert refused.err.startswith(f"LATCHKEY_SIGNING_KEYS: {path} {why}")
        assert len(refused.err.splitlines()) == 1
    refused = cli(None, "rotate")
    assert (refused.status, refused.err) == (1, "LATCHKEY_SIGNING_KEYS: must be set\n")
    refused = cli(tmp_path / "gone", "list")
    assert refused.err == f"LATCHKEY_SIGNING_KEYS: {tmp_path / 'gone'}: No such file or directory\n"
    assert refused.status == 1
    wrong = cli(tmp_path, "list", LATCHKEY_KEY_DELAY="601")
    assert wrong.status == 1
    assert wrong.err.startswith("LATCHKEY_KEY_DELAY: must be a whole number from 1 to 600")
    assert [file.name for file in tmp_path.iterdir()] == ["key.pem"]


def rows(ended: Ended) -> list[list[str]]:
    return [re.split("  +", line) for line in ended.out.splitlines()[1:]]


@pytest.mark.parametrize("alg", Algorithm)
def test_rotation_keeps_the_algorithm_unless_an_option_changes_it(tmp_path: Path, cli: Cli, alg: Algorithm) -> None:
    """From any algorithm to any other."""
    put(tmp_path, "key.pem", new_pem(alg)[1])
    kept = cli(tmp_path, "rotate")
    assert [row[1] for row in rows(kept)] == [alg, alg]
    assert (kept.status, kept.err) == (0, "")
    for other in Algorithm:
        changed = cli(tmp_path, "rotate", "--algorithm", other)
        assert (changed.status, rows(changed)[0][1]) == (0, other)
        assert rows(cli(tmp_path, "rotate"))[0][1] == other
        before = load_keys(tmp_path)[2].alg
        if before is other:
            assert changed.err == ""
            continue
        [line] = changed.err.splitlines()
        assert f"The algorithm changes from {before} to {other}: the new key signs from 20" in line
        assert f"make every service that verifies access tokens itself accept {other}" in line
        assert ("take no RSA keys" in line) is (other is Algorithm.RS256)


@pytest.mark.parametrize("wrong", ["HS256", "none", "es256", "RS512", ""])
def test_rotation_refuses_an_unknown_algorithm(tmp_path: Path, cli: Cli, wrong: str) -> None:
    refused = cli(tmp_path, "rotate", "--algorithm", wrong)
    assert (refused.status, refused.out, list(tmp_path.iterdir())) == (2, "", [])
    assert "must be one of ES256, EdDSA, RS256" in refused.err


# -- which installation ------------------------------------------------------------------------------------

README = {
    "LATCHKEY_ENV": "",
    "LATCHKEY_DATABASE_URL": "postgresql://latchkey:password@127.0.0.1:5432/latchkey",
    "LATCHKEY_REDIS_URL": "redis://127.0.0.1:6379/0",
    "LATCHKEY_SMTP_URL": "smtp://user:password@smtp.example.org:587",
    "LATCHKEY_PUBLIC_URL": "https://accounts.example.org",
    "LATCHKEY_SECRET_KEY": "0b2f6a9c4e7d8135f0a9b7c6d5e4f3a2918c7b6d5e4f3a2b1c0d9e8f7a6b5c4d",
}
"""The environment file of docs/operations.md; LATCHKEY_ENV is not set."""


@pytest.mark.parametrize("environ", [README, {"LATCHKEY_ENV": ""}, {"LATCHKEY_ENV": "production"}], ids=len)
def test_key_commands_read_the_production_settings(tmp_path: Path, cli: Cli, environ: dict[str, str]) -> None:
    """A new key waits for a minute in production."""
    old, pem = new_pem(Algorithm.ES256)
    (tmp_path / "2026-01.pem").write_bytes(pem)
    listed = cli(tmp_path, "list", **environ)
    assert (listed.err, rows(listed)[0][3]) == ("", "signs")
    rotated = cli(tmp_path, "rotate", **environ)
    since, does = rows(rotated)[0][2:]
    assert does == f"verifies, signs from {datetime.fromisoformat(since) + timedelta(seconds=60):%Y-%m-%dT%H:%M:%SZ}"
    assert rows(rotated)[1][::3] == [old.kid, "signs"]


def test_key_commands_read_the_folder_from_a_file(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "where").write_text(f"{tmp_path}\n")
    (tmp_path / "a.pem").write_bytes(new_pem(Algorithm.ES256)[1])
    by_file = {"LATCHKEY_ENV": "", "LATCHKEY_SIGNING_KEYS_FILE": str(tmp_path / "where")}
    assert "signs from" in cli(None, "rotate", **by_file).out
    both = cli(tmp_path, "list", **by_file)
    assert both.status == 1
    assert both.err.startswith("LATCHKEY_SIGNING_KEYS: is set, and LATCHKEY_SIGNING_KEYS_FILE as well")
