"""The unchanged previous release, and processes of both releases.

It is kept here, since a checkout may have no history. With a new release, make it from its tag and remove the old
one; the HTTP tests in it are those that `test_gate.py` names:

    git archive --prefix=0.2.0/ v0.2.0 adapters application domain entrypoints migrations pyproject.toml \\
        tests/__init__.py tests/conftest.py tests/world.py tests/contracts/{__init__,forging}.py \\
        tests/entrypoints/{__init__,conftest,service}.py tests/entrypoints/test_{journeys,races}.py \\
        | xz -9e > tests/rolling/0.2.0.tar.xz

From 0.3 on, `tests/support` takes the place of `tests/world.py` and `service.py`. What it imports is what
is installed now.
"""

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.tokens.key_files import make_key
from entrypoints.devserver import engines
from tests.support.service import PASSWORD, ROOT, Service, token_in, unique_email

BEFORE = "0.2.0"
HEAD = "b4f09a2e6c17"
"""The schema of the previous release."""


def unpacked(folder: Path) -> Path:
    """The previous release."""
    with tarfile.open(Path(__file__).resolve().parents[1] / "rolling" / f"{BEFORE}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / BEFORE


def migrate(url: str, *, root: Path = ROOT, to: str = "head") -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", to]
    subprocess.run(command, cwd=root, env={**os.environ, "LATCHKEY_DATABASE_URL": url}, check=True)


class Release(Service):
    """Processes of the code in `root`."""

    def __init__(self, root: Path, folder: Path, database_url: str, redis_url: str) -> None:
        folder.mkdir()
        super().__init__(folder, database_url, redis_url, processes=1)
        self.root = root

    def person(self, who: str, *options: str) -> str:
        """The address of a verified user, created by the command line of this release."""
        email = unique_email(who)
        create = ("users", "create") if self.root == ROOT else ("create-user",)
        done = subprocess.run(
            [sys.executable, "-m", "entrypoints.cli", *create, "--email", email, "--verified", *options],
            cwd=self.root,
            env={**os.environ, **self.environ},
            input=PASSWORD,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return email


SECRET = "9b1f4c7e2d8a5063b7e91c4f6a2d8e0535c1"


@dataclass(frozen=True)
class Rollout:
    before: Release
    after: Release
    url: str
    mail: Callable[[str, int], str]
    """The token in the nth mail to an address."""

    def migrate(self) -> None:
        migrate(self.url, root=self.after.root)


@contextmanager
def rollout_of(before: Path, after: Path, folder: Path, *, schema: str) -> Iterator[Rollout]:
    """Two releases over one PostgreSQL and one Redis, at the schema of the one before."""
    with ExitStack() as parts:
        postgres = parts.enter_context(engines.postgres(folder / "pg", durable=False))
        valkey = parts.enter_context(engines.valkey(folder / "valkey"))
        migrate(postgres.url, root=before, to=schema)
        keys = folder / "keys"
        make_key(keys)
        releases = []
        for name, root in (("before", before), ("after", after)):
            release = Release(root, folder / name, postgres.url, valkey.url)
            parts.callback(release.stop)
            release.environ |= {
                "LATCHKEY_SECRET_KEY": SECRET,
                "LATCHKEY_SIGNING_KEYS": str(next(keys.glob("*.pem"))),
                "LATCHKEY_MAIL_DIR": str(folder / "mail"),
            }
            releases.append(release)
        one = releases[0]
        one.mail_dir = folder / "mail"
        yield Rollout(one, releases[1], postgres.url, lambda email, number: token_in(one.mail(email, number)))
