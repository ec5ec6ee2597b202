"""What a run costs, all writing included, beside the bare floor, Dask and Prefect, in one run on one machine.

The bare floor is a function call and one batched SQLite transaction of the same
rows. Prefect and Dask are measured in environments of their own (`rivals.py`).
"""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rivals import dask_figures, prefect_figures
from run import Row, tell

from headrace import flow, task
from headrace.core.ids import new_id
from headrace.core.runs import RUN_COLUMNS
from headrace.store import get_store

TASKS = 5000
REPEATS = 5
#: How long eight processes write to one store, seconds (the issue: 60).
WRITING_SECONDS = 60


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


def commits() -> float:
    """Return what the two commits of a flow run cost, seconds: the same store, its rows written as the recorder does."""
    store = get_store()
    root = new_id()
    row = {"id": root, "root_id": root, "kind": "flow", "state_type": "RUNNING", "state_name": "Running"}

    def work() -> None:
        run_id = new_id()
        record = store.recorder.open({**row, "id": run_id, "root_id": run_id, "state_at": 1, "created_at": 1})
        store.recorder.flush()
        store.recorder.change(record, "COMPLETED", "Completed", 2)
        store.recorder.flush()

    return seconds(work, 50)


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
LARGE = """
import resource, time
from bench_engine import many
many(1000)
for count in (20_000, 100_000):
    began = time.perf_counter(); many(count); print((time.perf_counter() - began) / count)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
WRITER = """
import json, sys, time
from bench_engine import empty
empty()
until, took = time.time() + float(sys.argv[1]), []
while time.time() < until:
    began = time.perf_counter(); empty(); took.append(time.perf_counter() - began)
print(json.dumps(took))
"""


def large() -> tuple[float, float, float]:
    """Return seconds a task at 20,000 and at 100,000 tasks in one flow, and the peak memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE], cwd=Path(__file__).parent, check=True, capture_output=True, text=True
    )
    small, big, peak = map(float, done.stdout.split())
    return small, big, peak


def writers(count: int, length: float) -> tuple[int, float]:
    """Return how many flow runs some processes made together in one store, and the 99th percentile of a call, s."""
    import json

    command = [sys.executable, "-c", WRITER, str(length)]
    here = Path(__file__).parent
    started = [subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    took: list[float] = []
    for process in started:
        out, _ = process.communicate()
        assert process.returncode == 0
        took += json.loads(out)
    return len(took), statistics.quantiles(took, n=100)[98]


def contention() -> tuple[float, float, int]:
    """Return the throughput of eight writers beside one, the p99 of a flow call in s, and how many runs were lost."""

    def stored() -> int:
        return sum(get_store().runs.counts(since=0).values())

    alone, _ = writers(1, WRITING_SECONDS / 6)
    before = stored()
    together, late = writers(8, WRITING_SECONDS)
    lost = together + 8 - (stored() - before)
    return together / WRITING_SECONDS / (alone / (WRITING_SECONDS / 6)), late, lost


def measure() -> list[Row]:
    """Measure."""
    many(10)
    bare = floor()
    each = seconds(lambda: many(TASKS)) / TASKS
    committing = commits()
    run = seconds(empty, 50)
    fan = seconds(lambda: mapped(10_000), 3)
    imported, first = script("import headrace"), script(FIRST)
    small, big, peak = large()
    share, late, lost = contention()
    dask, prefect = dask_figures(), prefect_figures()
    return [
        Row(
            "no-op task in a flow, persisted",
            f"{each * 1e6:.0f} µs",
            f"bare floor {bare * 1e6:.1f} µs",
            each / bare,
            "≤ 60 µs, ≤ 5 ×",
        ),
        Row("no-op task in a flow, persisted", f"{each * 1e6:.0f} µs", *prefect("task", each), "Prefect: 10,700 µs"),
        Row("no-op flow run", f"{run * 1e3:.2f} ms", *prefect("flow", run), "≤ 3 ms"),
        Row(
            "no-op flow run less its commits",
            f"{(run - committing) * 1e3:.2f} ms",
            f"its commits {committing * 1e3:.2f} ms",
            None,
            "≤ 1 ms",
        ),
        Row(
            "map over 10,000 no-op tasks on threads",
            f"{10_000 / fan:,.0f} tasks/s",
            *dask("map", fan),
            "≥ 5,000 tasks/s",
        ),
        Row(
            "100,000 tasks in one flow",
            f"{big * 1e6:.0f} µs each, {peak:.0f} MB at the peak",
            f"20,000: {small * 1e6:.0f} µs each",
            big / small,
            "linear, < 500 MB",
        ),
        Row(
            f"8 processes, one store, {WRITING_SECONDS} s",
            f"p99 of a flow call {late * 1e3:.0f} ms, {lost} lost",
            "one process's throughput",
            share,
            "p99 ≤ 250 ms, 0 lost, ≥ 0.5",
        ),
        Row("import headrace", f"{imported * 1e3:.0f} ms", *prefect("import", imported), "≤ 15 ms"),
        Row("import and first flow call, fresh store", f"{first * 1e3:.0f} ms", *prefect("first", first), "≤ 400 ms"),
    ]


if __name__ == "__main__":
    tell(measure())
