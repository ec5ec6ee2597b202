"""The recorder: nothing is lost, nothing is written twice, whoever dies or locks."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from headrace.core.batch import Batch
from headrace.core.errors import StoreUnavailable
from headrace.core.ids import new_id
from headrace.core.settings import find_store
from headrace.store import Store
from headrace.store.recorder import Recorder, RunRecord
from headrace.store.sinks import fold_journals


def born(recorder: Recorder, *, root: RunRecord | None = None, **values: Any) -> RunRecord:
    run_id = new_id()
    return recorder.open(
        {
            "id": run_id,
            "root_id": root.id if root else run_id,
            "parent_id": root.id if root else None,
            "kind": "task" if root else "flow",
            "state_type": "RUNNING",
            "state_name": "Running",
            "state_at": 1,
            "created_at": 1,
            "started_at": 1,
            **values,
        }
    )


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.01)


def test_records_are_in_the_store_soon_without_a_flush(store: Store) -> None:
    record = born(store.recorder)
    wait_for(lambda: store.runs.find(record.id) is not None)


def test_a_run_born_and_ended_in_one_batch_is_one_row_with_its_whole_history(store: Store) -> None:
    record = born(store.recorder)
    store.recorder.change(record, "COMPLETED", "Completed", 5, "fine", {"ended_at": 5, "result": {"type": "int"}})
    store.recorder.flush()
    run = store.runs.get(record.id)
    assert (run.state_name, run.ended_at, run.result, run.state_message) == ("Completed", 5, {"type": "int"}, "fine")
    assert [e.state_name for e in store.runs.history(record.id)] == ["Running", "Completed"]


def test_a_change_after_the_row_was_written_updates_it(store: Store) -> None:
    record = born(store.recorder)
    store.recorder.flush()
    store.recorder.change(record, "SCHEDULED", "AwaitingRetry", 2)
    record.attempt = 2
    store.recorder.change(record, "RUNNING", "Retrying", 3, patch={"started_at": 3})
    store.recorder.flush()
    run = store.runs.get(record.id)
    assert (run.state_name, run.attempt, run.started_at) == ("Retrying", 2, 1)


def test_a_change_after_the_end_is_refused_and_journalled_as_fenced(store: Store) -> None:
    record, other = born(store.recorder), born(store.recorder)
    store.recorder.change(record, "COMPLETED", "Completed", 2)
    store.recorder.flush()
    store.recorder.change(record, "FAILED", "Failed", 3)
    store.recorder.change(other, "COMPLETED", "Completed", 3)
    store.recorder.flush()
    assert store.runs.get(record.id).state_name == "Completed"
    assert store.runs.get(other.id).state_name == "Completed"
    assert store.recorder.fenced == {record.id}
    assert [e.kind for e in store.journal.after(0) if e.state_name == "Failed"] == ["run.fenced"]


def test_many_threads_record_ten_thousand_runs_and_each_is_there_once(store: Store) -> None:
    root = born(store.recorder)

    def work() -> None:
        for _ in range(1250):
            record = born(store.recorder, root=root)
            store.recorder.change(record, "COMPLETED", "Completed", 2, patch={"ended_at": 2})
            store.recorder.edge(record.id, root.id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.recorder.flush()
    tree = store.runs.tree(root.id)
    assert len(tree) == 10_001
    assert all(run.state_name == "Completed" for run in tree if run.id != root.id)
    assert len(store.runs.edges(root.id)) == 10_000
    states = [e for e in store.journal.after(0, limit=50_000) if e.kind == "run.state"]
    assert len(states) == 20_001
    assert [e.seq for e in states] == sorted({e.seq for e in states})


def test_outputs_are_replaced_and_cut_off_by_position(store: Store) -> None:
    record, recorder = born(store.recorder), store.recorder
    for position, text in enumerate("abc"):
        recorder.output(record.id, record.id, position, 1, {"text": text})
    recorder.flush()
    recorder.output(record.id, record.id, 1, 2, {"text": "B"})
    recorder.flush()
    assert [o["text"] for o in store.logs.outputs(record.id)] == ["a", "B", "c"]
    recorder.output(record.id, record.id, 0, 3, None)
    recorder.output(record.id, record.id, 0, 3, {"text": "new"})
    recorder.flush()
    assert [o["text"] for o in store.logs.outputs(record.id)] == ["new"]


def test_log_lines_keep_their_order_and_are_read_by_ranges(store: Store) -> None:
    root = born(store.recorder)
    child = born(store.recorder, root=root)
    for n in range(300):
        owner = child if n % 3 == 0 else root
        store.recorder.log(owner.id, root.id, n, 30 if n % 10 == 0 else 20, "print", f"line {n} ä%_")
    store.recorder.flush()
    assert [line.message for line in store.logs.lines(root.id, offset=10, limit=2)] == ["line 10 ä%_", "line 11 ä%_"]
    assert store.logs.count(child.id, tree=False) == 100
    assert store.logs.count(root.id, level=30) == 30
    assert store.logs.count(root.id, search="LINE 29") == 11
    assert store.logs.count(root.id, search="%") == 300
    assert len(list(store.logs.stream(root.id, page=7))) == 300


def test_a_locked_store_makes_the_recorder_wait_and_nothing_is_lost(sqlite_store: Store) -> None:
    path = sqlite_store.place.sqlite_path
    assert path is not None
    blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    record = born(sqlite_store.recorder)
    timer = threading.Timer(0.5, lambda: blocker.execute("ROLLBACK"))
    timer.start()
    sqlite_store.recorder.flush()
    timer.join()
    assert sqlite_store.runs.get(record.id).state_name == "Running"
    blocker.close()


def test_a_store_locked_for_too_long_is_spilled_and_folded_in_exactly_once(sqlite_store: Store) -> None:
    sqlite_store.database.busy_timeout_ms = 50
    sqlite_store.database.close()
    path = sqlite_store.place.sqlite_path
    assert path is not None
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    recorder = Recorder(sqlite_store, spill_seconds=0.2)
    record = born(recorder)
    recorder.change(record, "COMPLETED", "Completed", 2)
    with pytest.warns(RuntimeWarning, match="journal"):
        recorder.flush()
    blocker.execute("ROLLBACK")
    blocker.close()
    assert sqlite_store.runs.find(record.id) is None
    recorder.log(record.id, record.id, 3, 20, "print", "after the spill")
    recorder.flush()
    # At least: how many batches it became is the background writer's affair.
    assert fold_journals(sqlite_store) >= 2
    assert fold_journals(sqlite_store) == 0
    assert sqlite_store.runs.get(record.id).state_name == "Completed"
    assert sqlite_store.logs.count(record.id) == 1
    recorder.close()


def test_a_sink_that_fails_for_a_while_gets_the_same_batch_again(store: Store) -> None:
    class Flaky:
        def __init__(self) -> None:
            self.batches: list[Batch] = []
            self.failures = 3

        def write(self, batch: Batch) -> list[str]:
            self.failures -= 1
            if self.failures >= 0:
                raise StoreUnavailable("busy")
            self.batches.append(batch)
            return []

        def close(self) -> None: ...

    sink = Flaky()
    recorder = Recorder(store, sink)
    record = born(recorder)
    recorder.flush()
    assert [[row[0] for row in batch.runs] for batch in sink.batches] == [[record.id]]
    recorder.close()


def test_a_forked_child_records_its_own_runs_and_not_its_parents(sqlite_store: Store) -> None:
    mine = born(sqlite_store.recorder)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        child = born(sqlite_store.recorder)
        sqlite_store.recorder.flush()
        os.write(write, child.id.encode())
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    sqlite_store.recorder.flush()
    for run_id in (mine.id, os.read(read, 36).decode()):
        assert len(sqlite_store.runs.history(run_id)) == 1


SCRIPT = """
import os, sys
from headrace.store import get_store
from headrace.core.ids import new_id
recorder = get_store().recorder
for n in range(10**6):
    run_id = new_id()
    recorder.open({"id": run_id, "root_id": run_id, "kind": "flow", "state_type": "RUNNING", "state_name": "Running",
                   "state_at": 1, "created_at": 1})
    if n % 50 == 0:
        recorder.flush()
        print(run_id, flush=True)
    if len(sys.argv) > 1 and n == int(sys.argv[1]):
        break
"""


def test_what_was_flushed_survives_kill_9(data_dir: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    flushed = [process.stdout.readline().strip() for _ in range(40)]
    os.kill(process.pid, signal.SIGKILL)
    flushed += [line.strip() for line in process.stdout.readlines() if len(line.strip()) == 36]
    process.stdout.close()
    process.wait()
    store = Store(find_store())
    assert [run_id for run_id in flushed if store.runs.find(run_id) is None] == []
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    store.close()


def test_nothing_is_lost_at_a_normal_exit(data_dir: Path) -> None:
    output = subprocess.run([sys.executable, "-c", SCRIPT, "77"], capture_output=True, text=True, check=True)
    assert output.stderr == ""
    store = Store(find_store())
    assert len(store.runs.page(limit=200)[0]) == 78
    store.close()
