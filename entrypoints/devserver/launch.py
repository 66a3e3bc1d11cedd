"""Become another program, which is signalled when its parent dies, and which is not root if it must not be.

Run by its path, with the standard library alone: code between fork and exec would not be safe in a parent that has
threads. Every start of a process waits for it, so it imports little.

    launch.py become IDENTITY PARENT SIGNAL PROGRAM ARGUMENT…
    launch.py probe IDENTITY      paths on stdin, one a line; prints those that are out of reach
"""

import ctypes
import os
import pwd
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
IMPOSSIBLE = 97


def assume(identity: str) -> None:
    """`self` changes nothing, `nobody` is that user, and `mapped` is root under its id, without its privileges."""
    if identity == "self":
        return
    nobody = pwd.getpwnam("nobody")
    if identity == "nobody":
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        return
    # PostgreSQL asks for its uid and refuses 0. In a namespace of its own it sees another number, while its
    # files stay root's own: no folder has to be opened to anybody else.
    if ctypes.CDLL(None).unshare(CLONE_NEWUSER) != 0:
        raise OSError("no user namespaces here")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{nobody.pw_uid} 0 1")
    _write("/proc/self/gid_map", f"{nobody.pw_gid} 0 1")


def _write(path: str, text: str) -> None:
    """Without pathlib, which takes as long to load as all the rest."""
    file = os.open(path, os.O_WRONLY)
    os.write(file, text.encode())
    os.close(file)


def become(identity: str, parent: int, signal: int, command: list[str]) -> None:
    assume(identity)
    if sys.platform == "linux":
        # After the change of identity, because that clears it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:
        sys.exit("the parent has gone")
    os.execv(command[0], command)  # noqa: S606  (there is no shell to start it with, on purpose)


def probe(identity: str) -> None:
    paths = sys.stdin.read().splitlines()
    try:
        assume(identity)
    except (OSError, AttributeError, KeyError):
        sys.exit(IMPOSSIBLE)
    for path in paths:
        if not os.access(path, os.X_OK if path.endswith("/") else os.R_OK):
            sys.stdout.write(path + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        probe(sys.argv[2])
    else:
        become(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
