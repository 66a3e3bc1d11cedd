"""Threads that work for many callers, in turn by whom the work is for."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from adapters.passwords.fair_queue import FairQueue

T = TypeVar("T")


class NoRoom(Exception):
    """The job was not taken: too many wait, or the threads are closed."""


class FairThreads:
    """`queue` jobs wait at most. A newcomer to a full queue displaces the newest job of the key with the most jobs,
    whose future is cancelled; where the newcomer's own key is that, it is refused."""

    def __init__(self, threads: int, *, queue: int, name: str, initializer: Callable[[], None]) -> None:
        self.threads = threads
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=initializer)
        self._room = threads + queue
        self._lock = threading.Lock()
        self._queue = FairQueue[Future[Any]]()
        self._jobs: dict[Future[Any], tuple[Hashable, Callable[[], Any]]] = {}
        """Those that wait and those that run."""

    def submit(self, key: Hashable, job: Callable[[], T]) -> Future[T]:
        """A job that is cancelled before it begins costs nothing. Raises NoRoom."""
        future = Future[T]()
        with self._lock:
            dropped = None
            if len(self._jobs) >= self._room:
                dropped = self._queue.to_drop_for(key)
                if dropped is None:
                    raise NoRoom
            try:
                # Not this job but a turn: a thread that becomes free takes whichever job is next then.
                self.executor.submit(self._take_turn)
            except RuntimeError:
                raise NoRoom from None
            self._jobs[future] = key, job
            self._queue.push(key, future)
        # Outside of the lock: callbacks run at once. Each runs whatever becomes of the job.
        future.add_done_callback(self._forget)
        if dropped is not None:
            dropped.cancel()
        return future

    def load(self) -> tuple[int, int]:
        """How many jobs run, and how many wait."""
        jobs = len(self._jobs)
        running = min(jobs, self.threads)
        return running, jobs - running

    def close(self) -> None:
        """Waits for the jobs that have begun and cancels those that wait."""
        self.executor.shutdown(wait=False)
        for future in list(self._jobs):
            future.cancel()
        self.executor.shutdown(wait=True)

    def _take_turn(self) -> None:
        with self._lock:
            future = self._queue.pop()
            if future is None:
                return  # its caller left
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
