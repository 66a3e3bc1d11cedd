"""argon2-cffi alone: `python -m tests.benchmarks.references.hashing SECONDS` prints hashes a second."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher

MEMORY, PASSES, LANES = 19_456, 2, 1


def verified(seconds: float) -> int:
    """The number of passwords that one thread verifies in that time."""
    argon2 = PasswordHasher(memory_cost=MEMORY, time_cost=PASSES, parallelism=LANES)
    stored_hash, times, until = argon2.hash("a perfectly fine passphrase"), 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        argon2.verify(stored_hash, "a perfectly fine passphrase")
        times += 1
    return times


def main() -> None:
    seconds, threads = float(sys.argv[1]), os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        print(sum(pool.map(verified, [seconds] * threads)) / seconds)


if __name__ == "__main__":
    main()
