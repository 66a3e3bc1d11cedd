"""Hashing gives its memory back once nobody logs in any more, and keeps it while somebody does."""

import json
import subprocess
import sys

import pytest

BLOCK = 19_456 * 1024
PAGES = BLOCK // 4096
THREADS, HASHES = 4, 16

# In a process of its own: what others have left in the heap of this one would tell nothing. The first hash is not of
# argon2, so that glibc has seen no block of that size before it is told about them.
RESTING = f"""
import asyncio, json, resource, sys, time, bcrypt, psutil
from adapters.argon2_hasher import Argon2Hasher

def resident():
    return psutil.Process().memory_info().rss

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

async def hashing(rest, rounds, patience):
    hasher = Argon2Hasher(threads={THREADS}, deadline=60, rest=rest)
    await hasher.verify("secret", bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode())
    await asyncio.sleep(0.5)
    found, before = [], resident()
    for _ in range(rounds):
        began = faults()
        await asyncio.gather(*(hasher.hash("secret") for _ in range({HASHES})))
        mapped, held, give_up = faults() - began, resident(), time.monotonic() + patience
        leaving = asyncio.create_task(hasher.hash("secret"))
        await asyncio.sleep(0.002)
        leaving.cancel()  # and the hash goes on
        while time.monotonic() < give_up and resident() - before > {BLOCK} / 2:
            await asyncio.sleep(0.02)
        found.append([mapped, held - before, resident() - before])
    hasher.close()
    return found

print(json.dumps(asyncio.run(hashing(float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
"""


def hashed(*, rest: float, rounds: int, patience: float) -> list[list[int]]:
    """By round: pages that were mapped, bytes held, and bytes held once few are or `patience` is over (seconds)."""
    command = [sys.executable, "-c", RESTING, str(rest), str(rounds), str(patience)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: list[list[int]] = json.loads(done.stdout)
    return found


pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="what is kept, and given back, is told of glibc alone"
)


def test_memory_of_hashes_is_given_back_after_a_rest() -> None:
    rounds = hashed(rest=0.005, rounds=8, patience=10)
    for mapped, _, rested in rounds:
        assert mapped < (THREADS + 1) * PAGES, "each thread maps its memory once, not for each hash"
        assert rested < BLOCK / 2
    # So short a rest may be over before anybody has looked.
    assert max(held for _, held, _ in rounds) > 1.5 * BLOCK


def test_memory_of_hashes_is_kept_until_then() -> None:
    _, [mapped, held, rested] = hashed(rest=60, rounds=2, patience=0.5)
    assert mapped < (THREADS + 1) * PAGES
    assert rested == pytest.approx(held, abs=BLOCK / 2)
    assert rested > 1.5 * BLOCK
