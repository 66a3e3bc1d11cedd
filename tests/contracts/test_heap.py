"""Hashing gives its memory back once nobody logs in any more, and keeps it while somebody does."""

import json
import subprocess
import sys

import pytest

BLOCK = 19_456 * 1024

# In a process of its own: what others have left in the heap of this one would tell nothing.
RESTING = """
import asyncio, json, resource, psutil
from adapters.argon2_hasher import Argon2Hasher

def resident():
    return psutil.Process().memory_info().rss

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

async def hashing(rest):
    hasher = Argon2Hasher(threads=2, deadline=60, rest=rest)
    found = {"before": resident()}
    for _ in range(2):
        await asyncio.gather(*(hasher.hash("secret") for _ in range(8)))
        found["held"] = resident()
        began = faults()
        await asyncio.gather(*(hasher.hash("secret") for _ in range(8)))
        found["faults"] = faults() - began
        await asyncio.sleep(0.5)
        found["rested"] = resident()
    hasher.close()
    return found

print(json.dumps([asyncio.run(hashing(rest)) for rest in (0.1, 60)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="who keeps memory, and how much, is told of glibc alone")
def test_memory_of_hashes_is_given_back_after_a_rest() -> None:
    done = subprocess.run([sys.executable, "-c", RESTING], capture_output=True, text=True, check=True, timeout=60)
    resting, restless = json.loads(done.stdout)
    for found in (resting, restless):
        assert found["held"] - found["before"] > 1.9 * BLOCK
        assert found["faults"] < BLOCK / 4096, "eight hashes mapped less than one block anew"
    assert resting["rested"] - resting["before"] < 0.2 * BLOCK
    assert restless["rested"] - restless["before"] > 1.9 * BLOCK
