"""Processes: bodies run in child processes, decisions stay here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from headrace.core.errors import InvalidOption
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Outcome
from headrace.kernel_magic.runners.children import ChildProcess
from headrace.kernel_magic.runners.job import Job
from headrace.kernel_magic.runners.threads import ThreadRunner


class ProcessPoolTaskRunner:
    """Run submitted tasks in processes.

    Functions and arguments travel by cloudpickle, those of a script's
    `__main__` or of a notebook by value: no `if __name__ == "__main__"` is
    needed.

    Parameters
    ----------
    max_workers : int or None, default the number of cores
    initializer : callable or None
        Called once in each process, before its first task.
    initargs : tuple
        Its arguments.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if max_workers is not None and (
            isinstance(max_workers, bool) or not isinstance(max_workers, int) or max_workers < 1
        ):
            raise InvalidOption(
                f"max_workers must be a whole number, 1 or more; it is {max_workers!r}.", field="max_workers"
            )
        if initializer is not None and not callable(initializer):
            raise InvalidOption(f"initializer must be callable; it is {initializer!r}.", field="initializer")
        self.max_workers = max_workers
        self.initializer = initializer
        self.initargs = tuple(initargs)

    def open(self) -> ProcessRunner:
        """Return what a flow run submits to."""
        packed = None
        if self.initializer is not None:
            from headrace.kernel_magic.pickling import dumps

            packed = dumps((self.initializer, self.initargs))
        return ProcessRunner(self.max_workers or os.cpu_count() or 1, packed)

    def __repr__(self) -> str:
        return f"ProcessPoolTaskRunner(max_workers={self.max_workers})"


class ProcessRunner(ThreadRunner):
    """The processes of one flow run: a thread here looks after each of them.

    Parameters
    ----------
    limit : int
    initializer : bytes or None
    """

    def __init__(self, limit: int, initializer: bytes | None = None) -> None:
        super().__init__(limit)
        self._initializer = initializer
        self._idle: list[ChildProcess] = []
        self._lock = threading.Lock()
        self._closed = False

    def start(self, job: Job) -> None:
        """Run a job as soon as a process is free."""
        self._do(lambda: job.context.run(self._run, job))

    def call(self, run: LiveRun, body: Callable[[], Any]) -> Outcome:
        """Run a body in a process."""
        child = self._take(run)
        try:
            return child.call(run, body, run.options.timeout_seconds)
        finally:
            self._give_back(child)

    def _take(self, run: LiveRun) -> ChildProcess:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.usable:
                    return child
        return ChildProcess(run.session, self._initializer)

    def _give_back(self, child: ChildProcess) -> None:
        if not child.usable:
            return
        with self._lock:
            if not self._closed:
                self._idle.append(child)
                return
        child.close()

    def close(self) -> None:
        """Let the processes end."""
        super().close()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()
