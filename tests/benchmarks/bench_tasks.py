"""What a run costs, all writing included, beside the bare floor: a function call and one batched SQLite transaction."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from run import Row, tell

from headrace import flow, task
from headrace.core.ids import new_id
from headrace.core.runs import RUN_COLUMNS

TASKS = 5000
REPEATS = 5


@task
def noop(n: int) -> int:
    """Do nothing."""
    return n


@flow
def many(count: int) -> None:
    """Call a task many times."""
    for n in range(count):
        noop(n)


@flow
def empty() -> None:
    """Do nothing."""


@flow
def mapped(count: int) -> int:
    """Map a task on threads."""
    return len(noop.map(range(count)).result())


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median time of a call, seconds."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def floor() -> float:
    """Return the bare floor of one task, seconds: a call, and one transaction of the same rows (1 run, 2 events)."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"CREATE TABLE runs ({', '.join(RUN_COLUMNS)}, PRIMARY KEY (id))")
        connection.execute("CREATE INDEX tree ON runs (root_id, id)")
        connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, at, kind, run_id, state)")
        connection.execute("CREATE INDEX by_run ON events (run_id, seq)")
        root = new_id()

        def work() -> None:
            runs, events = [], []
            for n in range(TASKS):
                noop.fn(n)
                run_id = new_id()
                runs.append((run_id, root, root, "task", "noop", "noop", *[None] * (len(RUN_COLUMNS) - 6)))
                events += [(1, "run.state", run_id, "RUNNING"), (2, "run.state", run_id, "COMPLETED")]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT INTO runs VALUES ({', '.join('?' * len(RUN_COLUMNS))})", runs)
            connection.executemany("INSERT INTO events (at, kind, run_id, state) VALUES (?, ?, ?, ?)", events)
            connection.execute("COMMIT")

        took = seconds(work) / TASKS
        connection.close()
    return took


def script(code: str) -> float:
    """Return the median time of a Python process that runs `code`, less that of one that does nothing."""
    bare = seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True)) - bare


FIRST = """
import os, tempfile
os.environ["HEADRACE_DATA_DIR"] = tempfile.mkdtemp()
from headrace import flow, task
@flow
def first(): pass
first()
"""


def measure() -> list[Row]:
    """Measure."""
    many(10)
    bare = floor()
    each = seconds(lambda: many(TASKS)) / TASKS
    run = seconds(empty, 50)
    fan = seconds(lambda: mapped(10_000), 3)
    imported, first = script("import headrace"), script(FIRST)
    return [
        Row(
            "no-op task in a flow, persisted",
            f"{each * 1e6:.0f} µs",
            f"bare floor {bare * 1e6:.1f} µs",
            each / bare,
            "≤ 60 µs, ≤ 5 ×",
        ),
        Row("no-op flow run", f"{run * 1e3:.2f} ms", "", None, "≤ 3 ms"),
        Row("map over 10,000 no-op tasks on threads", f"{10_000 / fan:,.0f} tasks/s", "", None, "≥ 5,000 tasks/s"),
        Row("import headrace", f"{imported * 1e3:.0f} ms", "", None, "≤ 15 ms"),
        Row("import and first flow call, fresh store", f"{first * 1e3:.0f} ms", "", None, "≤ 400 ms"),
    ]


if __name__ == "__main__":
    tell(measure())
