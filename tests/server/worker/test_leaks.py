"""A worker that goes on for months holds no more after its hundredth run than after its first ones (T-25)."""

from __future__ import annotations

import threading
from dataclasses import replace

import psutil
import pytest
from waiting import wait_until

from headrace.core.launching import new_run
from headrace.core.runs import Run, RunKind
from headrace.core.settings import find_store, user_name
from headrace.server.worker import command
from headrace.server.worker.worker import Worker
from headrace.store import Store

pytestmark = pytest.mark.process


def nothing(store: Store, run: Run) -> command.Command:
    """Return the command of a process that ends at once: all that a worker does for a run is done, and little else."""
    return replace(command.build(store, run), arguments=["echo", "a line"])


def test_a_hundred_runs_leave_no_file_thread_or_process_open(sqlite_url: str) -> None:
    store, me = Store(find_store(sqlite_url)), psutil.Process()
    worker = Worker(store, pool="default", owner=user_name(), limit=8, build=nothing)
    thread = threading.Thread(target=worker.run)
    thread.start()

    def held_after(count: int) -> tuple[int, int, int]:
        common = {"owner": user_name(), "now": store.clock.now_us(), "launch": {"entrypoint": "m:f"}}
        runs = [store.runs.create(new_run(kind=RunKind.FLOW, definition="m:f", **common)) for _ in range(count)]
        wait_until(lambda: all(store.runs.get(run.id).is_final for run in runs), seconds=60)
        wait_until(lambda: not worker.children, seconds=30)
        return me.num_fds(), threading.active_count(), len(me.children())

    try:
        first, later = held_after(20), held_after(100)
    finally:
        worker.stop_event.set()
        thread.join(timeout=30)
        store.close()
    # A connection of the store more or less; nothing for each run.
    assert all(now <= before + 3 for before, now in zip(first, later, strict=True)), (first, later)
