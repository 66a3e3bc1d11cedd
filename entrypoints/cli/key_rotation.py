"""Rotates the keys that sign access tokens, and describes what each key does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from adapters.tokens.key_files import KeyEntry, key_entries, make_key, newest_private, read_keys
from adapters.tokens.key_store import signer
from adapters.tokens.pem_keys import Algorithm
from entrypoints.cli.output import print_note, print_rows
from entrypoints.settings import LONGEST_ACCESS, LONGEST_KEY_DELAY

MAY_GO_AFTER = LONGEST_ACCESS + LONGEST_KEY_DELAY + timedelta(minutes=10)
"""Age of the second newer key from which on the last token of a key has surely expired, for any valid settings. Ten
minutes allow for different clocks and for processes that notice newer keys late."""


def superseded(keys: Sequence[KeyEntry]) -> dict[str, datetime]:
    """When each key stopped signing, by kid. The keys are newest first.

    A key stops once there are two newer ones: a process that starts signs with the second newest until others know
    the newest. Keys without a private part are left out, because another process signs with them.
    """
    superseded_at: dict[str, datetime] = {}
    newer: list[datetime] = []
    for entry in keys:
        if entry.key.private is None:
            continue
        if len(newer) > 1:
            superseded_at[entry.key.kid] = max(entry.since, sorted(newer)[1])
        newer.append(entry.since)
    return superseded_at


def describe_keys(keys: Sequence[KeyEntry], *, now: datetime, delay: timedelta) -> list[tuple[KeyEntry, str]]:
    """What each key does now, in words."""
    ages = {entry.key.kid: max(0.0, (now - entry.since).total_seconds()) for entry in keys}
    signs = signer(keys, ages, delay=delay) if any(entry.key.private for entry in keys) else None
    ends = superseded(keys)
    lines, waiting = [], signs is not None
    for entry in keys:
        waiting = waiting and entry.key is not signs
        if entry.key is signs:
            word = "signs"
        elif entry.key.private is None:
            word = "verifies"
        elif waiting:
            word = f"verifies, signs from {entry.since + delay:%Y-%m-%dT%H:%M:%SZ}"
        elif entry.key.kid not in ends:
            word = "verifies, stays until the next rotation"
        elif now - ends[entry.key.kid] < MAY_GO_AFTER:
            word = f"verifies, can be removed from {ends[entry.key.kid] + MAY_GO_AFTER:%Y-%m-%dT%H:%M:%SZ}"
        else:
            word = "verifies, can be removed"
        lines.append((entry, word))
    return lines


def rotate(
    folder: Path, *, now: datetime, delay: timedelta, algorithm: Algorithm | None = None, as_json: bool = False
) -> None:
    """Keeps the algorithm unless another is given. Raises OSError if the folder cannot be read or written."""
    before = newest_private(folder)
    new_file = make_key(folder, algorithm)
    keys = key_entries(read_keys(folder).values())
    # Our clock may be ahead of the clock of the file system.
    at = min([now, *(entry.since for entry in keys if new_file in entry.files)])
    ends = superseded(keys)
    removed = [entry for entry in keys if at - ends.get(entry.key.kid, at) >= MAY_GO_AFTER]
    for file in (file for entry in removed for file in entry.files):
        # Another rotation may have been quicker.
        file.unlink(missing_ok=True)
    show(folder, now=now, delay=delay, as_json=as_json, removed=removed)
    if before and algorithm and algorithm is not before.alg:
        print_note(_changed(before.alg, algorithm, now + delay))


def _changed(before: Algorithm, after: Algorithm, at: datetime) -> str:
    older = " Processes of Latchkey 0.2 take no RSA keys: upgrade all of them first." * (after is Algorithm.RS256)
    return (
        f"The algorithm changes from {before} to {after}: the new key signs from {at:%Y-%m-%dT%H:%M:%SZ}. Until"
        f" then, make every service that verifies access tokens itself accept {after}; services that ask Latchkey"
        f" need no change. Tokens that older keys signed stay valid.{older}"
    )


def show(
    path: Path, *, now: datetime, delay: timedelta, as_json: bool = False, removed: Sequence[KeyEntry] = ()
) -> None:
    """A row for each key. Names files that are not keys on stderr. Raises OSError if the path cannot be read."""
    files = read_keys(path).values()
    descriptions = describe_keys(key_entries(files), now=now, delay=delay)
    descriptions += [(entry, "removed: all its tokens have expired") for entry in removed]
    rows = [
        {"kid": entry.key.kid, "alg": entry.key.alg, "since": entry.since, "does": word}
        for entry, word in descriptions
    ]
    print_rows(rows, columns=("kid", "alg", "since", "does"), empty="There are no keys.", as_json=as_json)
    for file in files:
        if file.problem:
            print_note(file.problem)
