"""Short ways to read what runs recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.core.runs import Edge, Run, RunFilter
from headrace.store import Store, get_store


class Book:
    """The test's store, read after everything recorded so far is written."""

    @property
    def store(self) -> Store:
        store = get_store()
        store.recorder.flush()
        return store

    def all(self, **where: Any) -> list[Run]:
        """Every run, oldest first."""
        runs, _ = self.store.runs.page(RunFilter(**{"roots_only": False, **where}), sort="created_at", limit=5000)
        return sorted(runs, key=lambda run: run.id)

    def one(self, definition: str, **where: Any) -> Run:
        """The only run of a definition."""
        (run,) = self.of(definition, **where)
        return run

    def of(self, definition: str, **where: Any) -> list[Run]:
        """Every run of a definition, oldest first."""
        return [run for run in self.all(**where) if run.definition == definition]

    def states(self, run: Run) -> list[str]:
        """The names of a run's states, in order."""
        return [event.state_name or "" for event in self.store.runs.history(run.id)]

    def edges(self, run: Run) -> list[Edge]:
        """The edges into a run."""
        return [edge for edge in self.store.runs.edges(run.root_id) if edge.run_id == run.id]

    def lines(self, run: Run, *, tree: bool = False) -> list[str]:
        """The messages that a run logged."""
        return [line.message for line in self.store.logs.lines(run.id, limit=5000, tree=tree)]


def until(condition: Callable[[], Any], seconds: float = 10.0, every: float = 0.01) -> Any:
    """Wait until a condition holds; return what it returned.

    Raises
    ------
    AssertionError
        It did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {condition}"
        wait = __import__("threading").Event()
        wait.wait(every)


def run_program(name: str, *arguments: str) -> None:
    """Run a program of tests/kernel_magic/programs in a process of its own, and see it end well."""
    tools = Path(__file__).parent
    environment = {
        **os.environ,
        "HEADRACE_LOGGING_TO_CONSOLE": "0",
        "PYTHONPATH": os.pathsep.join([str(tools), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, str(tools.parent / "kernel_magic" / "programs" / name), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
