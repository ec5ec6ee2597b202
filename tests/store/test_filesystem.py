"""Stores on network file systems: found, opened without shared memory, written by journals, folded in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from headrace.core.runs import RunFilter
from headrace.core.settings import find_store
from headrace.core.states import StateType
from headrace.store import Store, filesystem
from headrace.store.sinks import JournalSink, fold_journals

from .conftest import make_run

MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /home rw - nfs4 server:/home rw
31 30 0:41 / /home/ada/scratch rw - xfs /dev/sdb rw
32 22 0:42 / /mnt/with\\040space rw - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/home/ada/jupyter", "nfs4", True),
        ("/home/ada/scratch/x", "xfs", False),
        ("/homes", "ext4", False),
        ("/mnt/with space/x", "fuse.sshfs", True),
        ("/var/lib", "ext4", False),
    ],
)
def test_the_nearest_mount_decides(monkeypatch: pytest.MonkeyPatch, path: str, kind: str, network: bool) -> None:
    monkeypatch.setattr(filesystem.Path, "read_text", lambda self, **_: MOUNTS)
    monkeypatch.setattr(filesystem.os.path, "realpath", lambda place: str(path))
    filesystem._kind.cache_clear()
    try:
        assert filesystem.kind_of(Path(path)) == kind
        assert filesystem.is_network(Path(path)) is network
    finally:
        filesystem._kind.cache_clear()


@pytest.fixture
def store(sqlite_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("HEADRACE_FILE_SYSTEM", "nfs4")
    return Store(find_store(sqlite_url))


def test_no_shared_memory_is_used_there(store: Store, data_dir: Path) -> None:
    store.runs.create(make_run())
    assert not list(data_dir.glob("*-wal"))
    assert not list(data_dir.glob("*-shm"))
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "truncate"
    store.close()


def test_records_go_through_journals_and_come_out_the_same(store: Store) -> None:
    run = make_run()
    from headrace.store.rows import run_values

    record = store.recorder.open(run_values(run))
    store.recorder.change(record, "COMPLETED", "Completed", 9, patch={"ended_at": 9})
    store.recorder.log(run.id, run.id, 5, 20, "print", "hello")
    store.recorder.flush()
    assert store.runs.find(run.id) is None
    assert fold_journals(store) >= 1
    assert fold_journals(store) == 0
    assert store.runs.get(run.id).state_type is StateType.COMPLETED
    assert store.logs.count(run.id) == 1
    store.close()


def test_a_change_waits_for_the_run_that_another_journal_brings(store: Store, data_dir: Path) -> None:
    from headrace.core.batch import Batch, Change
    from headrace.store.rows import run_row, run_values

    run = make_run()
    early = JournalSink(data_dir / "journals")
    early.write(Batch(changes=[Change(run.id, run.id, 1, "COMPLETED", "Completed", "", 9)]))
    assert fold_journals(store) == 0
    birth = Change(run.id, run.id, 1, "RUNNING", "Running", "", 1)
    late = Batch(runs=[run_row(run_values(run))], births=[birth])
    (data_dir / "journals" / "elsewhere.1.process.abc.jsonl").write_text(late.to_json() + "\n")
    assert fold_journals(store) == 2
    assert store.runs.get(run.id).state_type is StateType.COMPLETED
    assert [e.state_name for e in store.runs.history(run.id)] == ["Running", "Completed"]
    early.close()
    store.close()


def test_a_change_whose_run_never_comes_holds_nothing_up_for_long(
    store: Store, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.core.batch import Batch, Change
    from headrace.store.rows import run_row, run_values

    other = make_run()
    sink = JournalSink(data_dir / "journals")
    sink.write(Batch(changes=[Change("nobody", "nobody", 1, "RUNNING", "Running", "", 9)]))
    sink.write(Batch(runs=[run_row(run_values(other))]))
    assert fold_journals(store) == 0
    monkeypatch.setattr("headrace.store.sinks.PATIENCE_SECONDS", -1.0)
    assert fold_journals(store) == 2
    assert store.runs.find(other.id) is not None
    sink.close()
    store.close()


def test_a_change_of_a_deleted_run_holds_nothing_up(store: Store, data_dir: Path) -> None:
    from headrace.core.batch import Batch, Change

    run = store.runs.create(make_run(state=StateType.COMPLETED))
    store.runs.delete(run.id)
    sink = JournalSink(data_dir / "journals")
    sink.write(Batch(changes=[Change(run.id, run.id, 1, "RUNNING", "Running", "", 9)]))
    other = make_run()
    from headrace.store.rows import run_row, run_values

    sink.write(Batch(runs=[run_row(run_values(other))]))
    assert fold_journals(store) == 2
    assert [r.id for r in store.runs.page(RunFilter())[0]] == [other.id]
    sink.close()
    store.close()


def test_two_that_fold_the_same_journals_in_share_them(
    store: Store, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.core.batch import Batch
    from headrace.store.rows import run_row, run_values

    monkeypatch.setattr("headrace.store.sinks.liveness.is_alive", lambda owner: False)
    folder = data_dir / "journals"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(60):
        line = Batch(runs=[run_row(run_values(make_run()))]).to_json()
        (folder / f"elsewhere.{number}.process.abc.jsonl").write_text(line + "\n")
    other = Store(store.place)
    start = Barrier(2)

    def fold(which: Store) -> int:
        start.wait(10)
        return fold_journals(which)

    with ThreadPoolExecutor(2) as pool:
        folded = sum(pool.map(fold, (store, other)))
    assert folded == 60
    assert not list(folder.iterdir())
    other.close()
    store.close()
