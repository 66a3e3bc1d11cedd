"""The identity of PostgreSQL when `make run` runs as root, which PostgreSQL refuses.

The first choice is `mapped`: another user id in a user namespace, where files still belong to root. If the kernel
forbids that, PostgreSQL runs as the system user `UNPRIVILEGED`. This user must be able to enter the folders above
data and programs: execute permissions that they lack are added and reported.
"""

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from entrypoints.devserver.child import UNPRIVILEGED, mapped_launcher, run_to_end

IDENTITIES = ("mapped", UNPRIVILEGED)

PROBE = """
import os, pwd, sys
if sys.argv[1] != "mapped":
    user = pwd.getpwnam(sys.argv[1])
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
for path in sys.stdin.read().splitlines():
    if not os.access(path, os.X_OK if path.endswith("/") else os.R_OK):
        print(path)
"""
"""A program that prints those paths on stdin that an identity cannot access. Python starts as root and
changes the user then, because that user may have no access to Python itself."""


class MissingPrivileges(Exception):
    """This process is root, and no other identity can access the files."""


def unprivileged_identity(
    folder: Path, programs: Path, report: Callable[[str], None], identities: Collection[str] = IDENTITIES
) -> str:
    """Choose the identity: `self` unless we are root. `folder` has the data; `programs` must be readable."""
    if os.geteuid() != 0:
        return "self"
    if shutil.which("setpriv") is None:
        raise MissingPrivileges(
            "PostgreSQL does not run as root, and setpriv (util-linux) is missing; run as another user"
        )
    if "mapped" in identities and inaccessible("mapped", _needed(folder, programs)) == []:
        return "mapped"
    folder.chmod(0o711)
    needed = _needed(folder, programs)
    closed = [Path(path) for path in inaccessible(UNPRIVILEGED, needed) or ()]
    opened = [path for path in closed if _add_permissions(path, programs)]
    for path in opened:
        if not path.is_relative_to(programs):
            report(f"chmod o+x {path}: PostgreSQL runs as {UNPRIVILEGED!r}, and this user must be able to enter it")
    if any(path.is_relative_to(programs) for path in opened):
        report(f"chmod o+rX {programs} and its content: PostgreSQL runs from there as {UNPRIVILEGED!r}")
    still_closed = inaccessible(UNPRIVILEGED, needed)
    if still_closed is None:
        raise MissingPrivileges(
            f"PostgreSQL does not run as root, and cannot be started as {UNPRIVILEGED!r}; run as another user"
        )
    if still_closed:
        raise MissingPrivileges(
            f"PostgreSQL does not run as root, and {UNPRIVILEGED!r} has no access to {still_closed[0]}"
        )
    return UNPRIVILEGED


def change_owner(folder: Path, identity: str) -> None:
    """Give the folder and its content to the user that PostgreSQL will run as."""
    if identity == "self":
        return
    owner = pwd.getpwnam(UNPRIVILEGED) if identity == UNPRIVILEGED else pwd.getpwuid(0)
    if folder.stat().st_uid == owner.pw_uid:
        return
    # The folder itself last, because its owner shows whether this was finished.
    for path in (*folder.rglob("*"), folder):
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def inaccessible(identity: str, paths: Iterable[str]) -> list[str] | None:
    """Paths that cannot be read, or entered if they end with a slash. None if it cannot be tried."""
    mapping = mapped_launcher() if identity == "mapped" else []
    command = [*mapping, sys.executable, "-I", "-S", "-c", PROBE, identity]
    try:
        probe = run_to_end(command, stdin="\n".join(paths))
    except FileNotFoundError:
        return None
    return None if probe.returncode else probe.stdout.splitlines()


def _needed(folder: Path, programs: Path) -> list[str]:
    """The paths that PostgreSQL needs: the folders above, from the root downwards, so that opening them in this order
    is enough; then the programs."""
    above = {above for below in (folder, programs) for above in (below, *below.parents)}
    folders = [f"{path}/" for path in sorted(above, key=lambda path: len(path.parts)) if path != Path("/")]
    inside = [path for part in ("bin", "lib", "share") for path in sorted((programs / part).rglob("*"))]
    parts = [programs / part for part in ("bin", "lib", "share")]
    return [*folders, *(f"{path}/" if path.is_dir() else str(path) for path in (*parts, *inside))]


def _add_permissions(path: Path, programs: Path) -> bool:
    mode = stat.S_IMODE(path.stat().st_mode)
    inside = path.is_relative_to(programs)
    more = 0 if path.is_dir() and not inside else stat.S_IROTH
    if mode & stat.S_IXUSR:
        more |= stat.S_IXOTH
    path.chmod(mode | more)
    return mode | more != mode
