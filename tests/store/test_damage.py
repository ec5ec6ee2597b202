"""What cannot be written or read, line by line and row by row: it harms nothing that stands beside it (P6, P11, F-26, F-34)."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from headrace.core.batch import Batch, storable_text
from headrace.core.errors import Conflict, StoreFull, UsageError
from headrace.core.ids import new_id
from headrace.core.launching import deployment_run, run_again
from headrace.core.runs import DAMAGED
from headrace.store import Store, sinks
from headrace.store.recorder import Recorder, RunRecord
from headrace.store.sinks import JournalSink, StoreSink, fold_journals, journal_folders

from .conftest import make_run

HOSTILE = "a\ud83d\x00b\ud83d\ude00"


def born(recorder: Recorder, name: str = "x") -> RunRecord:
    run_id = new_id()
    values = {"kind": "flow", "state_type": "RUNNING", "state_name": "Running", "state_at": 1, "created_at": 1}
    return recorder.open({"id": run_id, "root_id": run_id, "name": name, **values})


def journal(store: Store, *lines: str, owner: str = "x.1.y") -> Path:
    folder = store.place.data_dir / "journals"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{owner}.{new_id()[-6:]}.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), errors="surrogateescape")
    return path


def test_text_that_no_database_can_keep_becomes_text_that_all_can() -> None:
    assert storable_text(HOSTILE) == "a\ufffd␀b😀"
    assert storable_text("plain ✓") == "plain ✓"


def test_binary_output_in_a_line_keeps_no_record_from_the_store(store: Store) -> None:
    record = born(store.recorder, name=HOSTILE)
    store.recorder.log(record.id, record.id, 1, 20, "print", HOSTILE)
    store.recorder.output(record.id, record.id, 0, 1, {"output_type": "stream", "text": HOSTILE})
    store.recorder.flush()
    store.recorder.change(record, "FAILED", "Failed", 2, HOSTILE, {"error": {"message": HOSTILE}})
    store.recorder.flush()
    run = store.runs.get(record.id)
    assert (run.state_name, run.name, run.state_message) == ("Failed", "a\ufffd␀b😀", "a\ufffd␀b😀")
    assert [line.message for line in store.logs.lines(record.id)] == ["a\ufffd␀b😀"]
    assert store.logs.outputs(record.id)[0]["output_type"] == "stream"


def test_a_record_that_the_database_refuses_is_kept_in_a_file_and_the_others_are_stored(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, write = sqlite_store, StoreSink.write

    def refuse(self: StoreSink, batch: Batch) -> list[str]:
        if any(line[5] == "bad" for line in batch.logs):
            raise sqlite3.ProgrammingError("it cannot be")
        return write(self, batch)

    monkeypatch.setattr(StoreSink, "write", refuse)
    record = born(store.recorder)
    for message in ("one", "bad", "two"):
        store.recorder.log(record.id, record.id, 1, 20, "x", message)
    with pytest.warns(RuntimeWarning, match="kept in"):
        store.recorder.flush()
    later = born(store.recorder)
    store.recorder.flush()
    assert store.runs.get(later.id).state_name == "Running"
    assert [line.message for line in store.logs.lines(record.id)] == ["one", "two"]
    kept = list((store.place.data_dir / "journals" / "refused").glob("*.jsonl"))
    assert '"bad"' in kept[0].read_text()


@pytest.mark.parametrize("line", ["{garbage", "[]", "\x00\x00", "\udcff", '{"runs": [[1]], "columns": ["id"]}'])
def test_a_line_of_a_journal_that_is_none_is_set_aside_and_the_rest_is_folded_in(
    sqlite_store: Store, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = sqlite_store
    sink = JournalSink(store.place.data_dir / "journals")
    spilled = Recorder(store, sink)
    record = born(spilled)
    spilled.flush()
    assert sink.path is not None
    good = sink.path.read_text()
    spilled.close()
    sink.path.unlink()
    path = journal(store, line, good.rstrip("\n"))
    fold_journals(store)
    assert store.runs.get(record.id).name == "x"
    refused = path.with_suffix(".refused")
    assert refused.read_text(errors="surrogateescape") == line + "\n"
    assert refused.stat().st_mode & 0o777 == 0o600
    assert "cannot be recorded" in caplog.text
    assert fold_journals(store) == 0, "it is set aside once"


def test_whoever_folds_journals_gets_to_its_own_work_and_keeps_no_journal_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels that write without a pause would else keep the worker from claiming (and one journal all others)."""
    monkeypatch.setattr(sinks, "FOLDED_LINES", 5)
    monkeypatch.setattr(sinks, "FOLDING_SECONDS", 0.0)
    record = born(store.recorder)
    store.recorder.flush()

    def line(number: int) -> str:
        return Batch(logs=[(record.id, record.id, 1, 20, "x", str(number))]).to_json()

    journal(store, *map(line, range(12)))
    journal(store, *map(line, range(100, 103)), "no line", *map(line, range(103, 111)), owner="x.2.y")
    assert fold_journals(store) == 10, "a stretch of each"
    assert {one.message for one in store.logs.lines(record.id)} == {*map(str, range(5)), "100", "101", "102", "103"}
    while fold_journals(store):
        pass
    found = [int(one.message) for one in store.logs.lines(record.id, limit=100)]
    assert sorted(found) == [*range(12), *range(100, 111)]


def test_a_journal_with_hostile_text_is_folded_in(store: Store) -> None:
    sink = JournalSink(store.place.data_dir / "journals")
    spilled = Recorder(store, sink)
    record = born(spilled, name=HOSTILE)
    spilled.close()
    fold_journals(store)
    assert store.runs.get(record.id).name == "a\ufffd␀b😀"


def test_a_journal_that_another_process_has_removed_meanwhile_is_no_fault(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = journal(sqlite_store, "[]")
    monkeypatch.setattr(Path, "glob", lambda self, _pattern: iter([path] if self == path.parent else []))
    path.unlink()
    assert fold_journals(sqlite_store) == 0


def test_where_one_disk_is_full_the_journal_goes_to_the_other(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A runtime folder of its own: the session's is shared, and a journal left there would be folded into other stores.
    monkeypatch.setattr(sinks, "runtime_dir", lambda: tmp_path / "runtime")
    folders, write = journal_folders(sqlite_store.place.data_dir), os.write
    full = {folders[0]}

    def refuse(handle: int, data: bytes) -> int:
        if sink.path is not None and sink.path.parent in full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data)

    monkeypatch.setattr(os, "write", refuse)
    sink = JournalSink(folders[0])
    spilled = Recorder(sqlite_store, sink)
    record = born(spilled)
    spilled.flush()
    assert sink.path is not None
    assert sink.path.parent == folders[1]
    fold_journals(sqlite_store)
    assert sqlite_store.runs.get(record.id).name == "x"
    full.add(folders[1])
    line = Batch(logs=[(record.id, record.id, 1, 20, "x", "later")])
    with pytest.raises(StoreFull):
        sink.write(line)
    full.clear()
    sink.write(line)
    sink.close()
    fold_journals(sqlite_store)
    assert [one.message for one in sqlite_store.logs.lines(record.id)] == ["later"]


def test_a_damaged_row_hides_no_other_and_is_never_started(store: Store) -> None:
    good, bad = (store.runs.create(make_run(details={"launch": {}})) for _ in range(2))
    with store.database.write() as connection:
        damage = "UPDATE runs SET parameters = '{half', kind = 'f4ow', state_type = 'RUNN' WHERE id = :id"
        connection.execute(text(damage), {"id": bad.id})
    runs = {run.id: run for run in store.runs.page()[0]}
    assert set(runs) == {good.id, bad.id}
    assert runs[bad.id].details[DAMAGED] == ["kind", "parameters", "state_type"]
    assert runs[bad.id].is_final
    assert DAMAGED not in runs[good.id].details
    with pytest.raises(Conflict):
        run_again(runs[bad.id], now=1)


def test_a_damaged_deployment_is_shown_with_the_reason_and_never_run(store: Store) -> None:
    from headrace.core.deployments import Deployment

    made = store.deployments.create(Deployment(id=new_id(), name="nightly", owner="ada", notebook_path="/w/r.ipynb"))
    with store.database.write() as connection:
        connection.execute(text("UPDATE deployments SET parameters = '{half' WHERE id = :id"), {"id": made.id})
    held = store.deployments.get(made.id)
    assert held.error == "its record is damaged (parameters)"
    assert json.dumps(dict(held.parameters)) == "{}"
    with pytest.raises(UsageError, match="damaged"):
        deployment_run(held, now=1)


def test_a_value_that_sounds_like_an_error_is_not_taken_for_one(store: Store) -> None:
    """PostgreSQL quotes the value in its message about a key that exists."""
    from sqlalchemy.exc import IntegrityError

    statement = text("INSERT INTO meta VALUES (:name, '1')")
    for name in ("database is locked", "disk full", "malformed"):
        with store.database.write() as connection:
            connection.execute(statement, {"name": name})
        with pytest.raises(IntegrityError), store.database.write() as connection:
            connection.execute(statement, {"name": name})
