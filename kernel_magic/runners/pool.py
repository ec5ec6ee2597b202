"""A pool of daemon threads that is bounded, grows only when needed, and cannot lock itself up.

`concurrent.futures` is not used: its threads are joined at the interpreter's
exit, so that a body that cannot be interrupted would keep the process alive;
and a task that waits for another one in a full pool would wait for ever. Here
a thread that waits for a run lends its place to another one meanwhile.
"""

from __future__ import annotations

import os
import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: A thread that had nothing to do for so long ends, seconds.
IDLE_SECONDS = 10.0

_place = threading.local()


class ThreadPool:
    """Threads that do jobs.

    Parameters
    ----------
    limit : int
        So many jobs at a time.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._lent = 0

    def do(self, job: Callable[[], None]) -> None:
        """Do a job as soon as a thread is free."""
        self._jobs.put(job)
        if self._idle < self._jobs.qsize() and self._threads < self.limit + self._lent:
            self._grow()

    def _grow(self) -> None:
        with self._lock:
            if self._threads >= self.limit + self._lent:
                return
            self._threads += 1
        thread = threading.Thread(target=self._work, name="headrace-task", daemon=True)
        thread._headrace_run = None  # type: ignore[attr-defined]  # a pool's thread belongs to no run
        thread.start()

    def _work(self) -> None:
        _place.pool = self
        jobs = self._jobs
        while True:
            try:
                job = jobs.get_nowait()
            except queue.Empty:
                with self._lock:
                    self._idle += 1
                try:
                    job = jobs.get(timeout=IDLE_SECONDS)
                except queue.Empty:
                    job = None
                with self._lock:
                    self._idle -= 1
                if job is not None and not jobs.empty():
                    self._grow()  # whoever put that one may have counted on this thread
            if job is None:
                break
            try:
                job()
            except BaseException as error:  # jobs see to their own errors; this one is ours, and must not end the pool
                warnings.warn(f"A task thread met {error!r}.", RuntimeWarning, stacklevel=1)
            del job
            if self._threads - self._lent > self.limit:
                break
        with self._lock:
            self._threads -= 1
        if not jobs.empty():
            self._grow()

    def close(self) -> None:
        """Let idle threads end."""
        for _ in range(self._threads):
            self._jobs.put(None)

    @contextmanager
    def _lending(self) -> Iterator[None]:
        with self._lock:
            self._lent += 1
        try:
            if not self._jobs.empty():
                self._grow()
            yield
        finally:
            with self._lock:
                self._lent -= 1


@contextmanager
def lending() -> Iterator[None]:
    """Lend this thread's place in its pool to another job while the block waits for one."""
    pool: ThreadPool | None = getattr(_place, "pool", None)
    if pool is None:
        yield
    else:
        with pool._lending():
            yield


def default_limit() -> int:
    """Return how many tasks run at a time by default: 32, on large machines four per core."""
    return max(32, 4 * (os.cpu_count() or 1))


_shared: tuple[int, ThreadPool] | None = None


def shared_pool() -> ThreadPool:
    """Return the pool of this process that flows use which name no runner."""
    global _shared
    if _shared is None or _shared[0] != os.getpid():
        _shared = (os.getpid(), ThreadPool(default_limit()))
    return _shared[1]
