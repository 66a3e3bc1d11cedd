"""UUIDs of version 7 contain their time, sort by it, and are unique."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

from adapters.uuid7 import uuid7


def test_ids_sort_by_creation_even_within_a_millisecond() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len({one.int >> 80 for one in made}) < len(made) / 10


def test_ids_are_rfc_9562_version_7_and_hold_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_threads_never_create_the_same_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [one for some in pool.map(lambda _: [uuid7() for _ in range(5_000)], range(8)) for one in some]
    assert len(set(made)) == len(made)
