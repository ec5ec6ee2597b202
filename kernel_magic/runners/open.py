"""Which runner a submitted run goes to, and who waits for it."""

from __future__ import annotations

import threading
from typing import Any

from headrace.kernel_magic.engine import shutdown
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.futures import TaskFuture
from headrace.kernel_magic.runners.threads import ThreadRunner

_lock = threading.Lock()
_loose: set[TaskFuture[Any]] = set()
_default = ThreadRunner()


def runner_for(run: LiveRun) -> Any:
    """Return the runner of the flow around a submitted run; threads outside a flow."""
    if run.parent is None:
        return _default
    flow = run.flow
    if flow.runner is None:
        with _lock:
            if flow.runner is None:
                chosen = getattr(flow.options, "task_runner", None)
                flow.runner = _default if chosen is None else chosen.open()
    return flow.runner


def register(run: LiveRun, future: TaskFuture[Any]) -> None:
    """Have somebody wait for a future: the flow around it, else the exit of the process."""
    if run.parent is not None:
        flow = run.flow
        if flow.futures is None:
            flow.futures = []
        flow.futures.append(future)
        return
    if not _loose:
        shutdown.before(_wait_for_loose)
    _loose.add(future)
    future._when_done(_loose.discard)


def _wait_for_loose() -> None:
    for future in list(_loose):
        future._wait()
