"""What is done for a notebook run whose runner died: its kernel is ended, its output notebook brought up to date.

The output is written by a process of its own (`python -m headrace.server.runner --recover`):
this one reads no notebooks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from headrace.core.runs import Run, RunKind
from headrace.core.settings import StorePlace
from headrace.server.processes import kill_group
from headrace.server.worker.environment import clean_environment, store_variables

_under_way: list[subprocess.Popen[bytes]] = []


def end_kernel(run: Run) -> None:
    """Kill the kernel that a dead runner has left, unless it is kept on purpose."""
    facts = run.details.get("kernel")
    if run.kind is RunKind.NOTEBOOK and isinstance(facts, Mapping) and "kept_kernel" not in run.details:
        pid, started = facts.get("pid"), facts.get("started")
        if isinstance(pid, int) and started:
            kill_group(pid, started=str(started))


def recover(run: Run, place: StorePlace) -> None:
    """Have the output notebook of an ended run written; nobody waits for it."""
    _under_way[:] = [process for process in _under_way if process.poll() is None]
    if run.kind is not RunKind.NOTEBOOK or not run.is_final or not run.details.get("output_path"):
        return
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "headrace.server.runner", "--recover", run.id],
            env={**clean_environment(), **store_variables(place)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return  # the store has everything; the file stays as it was
    _under_way.append(process)
