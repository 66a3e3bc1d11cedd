"""Threads that serve callers in turn (round robin by key)."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from adapters.passwords.fair_queue import FairQueue

T = TypeVar("T")


class NoRoom(Exception):
    """The job was not taken: too many wait, or the threads are closed."""


class FairThreads:
    """At most `queue` jobs wait. When the queue is full, a new job displaces the newest job of the key with the most
    jobs, whose future is cancelled; a new job of that key itself is refused."""

    def __init__(self, threads: int, *, queue: int, name: str, initializer: Callable[[], None]) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=initializer)
        self._room = threads + queue
        self._lock = threading.Lock()
        self._queue = FairQueue[Future[Any]]()
        self._jobs: dict[Future[Any], tuple[Hashable, Callable[[], Any]]] = {}
        """Waiting and running jobs."""

    def submit(self, key: Hashable, job: Callable[[], T]) -> Future[T]:
        """A job that is cancelled before it starts costs nothing. Raises NoRoom."""
        future = Future[T]()
        with self._lock:
            dropped = None
            if len(self._jobs) >= self._room:
                dropped = self._queue.to_drop_for(key)
                if dropped is None:
                    raise NoRoom
            try:
                # Not this job but a turn: a free thread takes the job that is next at that time.
                self._executor.submit(self._take_turn)
            except RuntimeError:
                raise NoRoom from None
            self._jobs[future] = key, job
            self._queue.push(key, future)
        # Outside the lock: a callback of a finished future runs at once.
        future.add_done_callback(self._forget)
        if dropped is not None:
            dropped.cancel()
        return future

    def load(self) -> tuple[int, int]:
        """How many jobs run, and how many wait."""
        jobs = len(self._jobs)
        running = min(jobs, self._threads)
        return running, jobs - running

    def close(self) -> None:
        """Wait for the running jobs, and cancel those that wait."""
        self._executor.shutdown(wait=False)
        for future in list(self._jobs):
            future.cancel()
        self._executor.shutdown(wait=True)

    def _take_turn(self) -> None:
        with self._lock:
            future = self._queue.pop()
            if future is None:
                return  # its caller disconnected
            _, job = self._jobs[future]
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = job()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            key, _ = self._jobs.pop(future)
            self._queue.remove(key, future)
