"""Threads: the runner that flows use when they name none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headrace.core.errors import InvalidOption
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Outcome
from headrace.kernel_magic.engine.timers import timers
from headrace.kernel_magic.runners.job import Job
from headrace.kernel_magic.runners.pool import ThreadPool, lending, shared_pool

__all__ = ["ThreadPoolTaskRunner", "ThreadRunner", "lending"]


class ThreadPoolTaskRunner:
    """Run submitted tasks in threads.

    Parameters
    ----------
    max_workers : int or None, default max(32, 4 × cores)
        So many at a time.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and (
            isinstance(max_workers, bool) or not isinstance(max_workers, int) or max_workers < 1
        ):
            raise InvalidOption(
                f"max_workers must be a whole number, 1 or more; it is {max_workers!r}.", field="max_workers"
            )
        self.max_workers = max_workers

    def open(self) -> ThreadRunner:
        """Return what a flow run submits to."""
        return ThreadRunner(self.max_workers)

    def __repr__(self) -> str:
        return f"ThreadPoolTaskRunner(max_workers={self.max_workers})"


class ThreadRunner:
    """The threads of one flow run.

    Parameters
    ----------
    limit : int or None
        None: the pool that the whole process shares.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._own = ThreadPool(limit) if limit is not None else None

    def start(self, job: Job) -> None:
        """Run a job as soon as there is a place; an async one goes to the process's event loop for tasks."""
        if job.is_async:
            from headrace.kernel_magic.engine.loops import start_on_loop

            start_on_loop(job)
        else:
            self._do(lambda: job.context.run(self._run, job))

    def _do(self, job: Callable[[], None]) -> None:
        (self._own or shared_pool()).do(job)

    #: Calls a body elsewhere; None: in the thread itself.
    call: Callable[[LiveRun, Callable[[], Any]], Outcome | None] | None = None

    def _run(self, job: Job) -> None:
        if job.take():
            job.run(self._park(job), self.call)

    def _park(self, job: Job) -> Callable[[float], None]:
        """Return what waits between attempts, outside the pool: a waiting retry holds no thread."""

        def go_on(answer: Any) -> None:
            # A copy: the thread of the attempt before may still be inside the context, with a body left behind.
            self._do(lambda: job.context.copy().run(job.go_on, answer, self._park(job), self.call))

        return lambda seconds: timers().add(seconds, job.run_, go_on)

    def close(self) -> None:
        """Let the threads go."""
        if self._own is not None:
            self._own.close()
