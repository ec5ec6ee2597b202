"""The recorder: a run costs microseconds because records are written in batches, in the background.

Responsibilities: hold what is not written yet; write it within 50 ms; write it
*now* when a flow starts or ends (`flush`, in the calling thread: no hand-over);
survive a locked store by waiting, then by spilling to a journal; be safe in
forked children and lose nothing at exit.

Order without locks: a `RunRecord`'s row is made from its birth values plus the
changes taken so far, so what a writer takes is always one consistent prefix of
the run's history, whoever appends meanwhile.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.batch import PLAIN_PARTS, ArtifactRow, Batch, Change, RecordSink
from headrace.core.errors import StoreCorrupt, StoreError, StoreTooNew
from headrace.core.events import ARTIFACT_CREATED, RUN_STATE
from headrace.store.rows import dumps, json_column, run_row
from headrace.store.sinks import JournalSink, StoreSink

if TYPE_CHECKING:
    from headrace.store import Store

#: Records are on disk at the latest this long after they were made, seconds.
DELAY_SECONDS = 0.05
#: So many waiting records wake the writer at once (bounds memory).
HIGH_WATER = 4000
#: A store that stays locked this long makes the recorder spill to a journal, seconds.
SPILL_SECONDS = 10.0


class RunRecord:
    """A run of this process while it is recorded.

    Attributes
    ----------
    id, root_id : str
    attempt : int
        Set by whoever starts an attempt.
    values : mapping
        Columns at birth; never changed afterwards.
    changes : list of (state_type, state_name, message, at, attempt, patch or None, kind, payload)
        What happened since, not written yet.
    """

    __slots__ = ("__weakref__", "attempt", "born", "changes", "id", "queued", "root_id", "values")

    def __init__(self, values: dict[str, Any]) -> None:
        self.id: str = values["id"]
        self.root_id: str = values["root_id"]
        self.values = values
        self.attempt: int = values.get("attempt", 1)
        self.changes: list[tuple[Any, ...]] = []
        self.born = False
        self.queued = False


class Recorder:
    """Buffers records and writes them in batches.

    Parameters
    ----------
    store : Store
    sink : RecordSink or None, default the store
    spill_seconds : float, default 10
    """

    def __init__(self, store: Store, sink: RecordSink | None = None, *, spill_seconds: float = SPILL_SECONDS) -> None:
        self._store = store
        self._sink: RecordSink = sink or StoreSink(store)
        self._spill: JournalSink | None = None
        self._spill_seconds = spill_seconds
        self._runs: deque[RunRecord] = deque()
        self._rest: deque[tuple[str, Any]] = deque()
        self._held: Batch | None = None
        self._reset_threads()
        _recorders.add(self)

    def _reset_threads(self) -> None:
        self._writing = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._armed = False
        self.fenced: set[str] = set()

    def _after_fork(self) -> None:
        """Start anew in a forked child: what waits belongs to the parent, which will write it."""
        self._runs.clear()
        self._rest.clear()
        self._held = None
        self._spill = None
        self._reset_threads()

    @property
    def waiting(self) -> int:
        """How many records wait to be written; whoever makes very many of them helps writing (`flush`)."""
        return len(self._runs) + len(self._rest)

    def open(self, values: dict[str, Any]) -> RunRecord:
        """Record a new run.

        Parameters
        ----------
        values : dict
            Columns of `runs` (JSON columns as Python values or text); `id`, `root_id`, `kind`,
            `state_type`, `state_name`, `state_at`, `created_at` must be there. Taken over, not copied.
        """
        record = RunRecord(values)
        state = (values["state_type"], values["state_name"], values.get("state_message", ""), values["state_at"])
        record.changes.append((*state, record.attempt, None, RUN_STATE, "{}"))
        record.queued = True
        self._runs.append(record)
        if not self._armed:
            self._arm()
        return record

    def adopt(self, run_id: str, root_id: str, attempt: int) -> RunRecord:
        """Take over the recording of a run that is in the store already."""
        record = RunRecord({"id": run_id, "root_id": root_id, "attempt": attempt})
        record.born = True
        return record

    def change(
        self,
        record: RunRecord,
        state_type: str,
        state_name: str,
        at: int,
        message: str = "",
        patch: Mapping[str, Any] | None = None,
        kind: str = RUN_STATE,
        payload: str = "{}",
    ) -> None:
        """Record a state change; the caller has checked the move (headrace.core.states)."""
        record.changes.append((state_type, state_name, message, at, record.attempt, patch, kind, payload))
        if not record.queued:
            record.queued = True
            self._runs.append(record)
        if not self._armed:
            self._arm()

    def edge(self, run_id: str, upstream_id: str, kind: str = "data", name: str = "") -> None:
        """Record that a run comes after another."""
        self._append("edges", (run_id, upstream_id, kind, name))

    def log(self, run_id: str, root_id: str, at: int, level: int, logger: str, message: str) -> None:
        """Record a log line."""
        self._append("logs", (run_id, root_id, at, level, logger, message))

    def output(self, run_id: str, root_id: str, position: int, at: int, output: Mapping[str, Any] | None) -> None:
        """Record a cell's output at a position; None cuts off from there on."""
        self._append("outputs", (run_id, root_id, position, at, "" if output is None else dumps(output)))

    def event(
        self,
        kind: str,
        at: int,
        *,
        run_id: str | None = None,
        root_id: str | None = None,
        subject_id: str | None = None,
        owner: str | None = None,
        payload: object = None,
    ) -> None:
        """Record an event that is no state change."""
        self._append("events", (at, kind, run_id, root_id, subject_id, owner, dumps(payload or {})))

    def artifact(self, row: ArtifactRow) -> None:
        """Record an artifact, or the newer data of one (`Batch.artifacts` has the columns)."""
        self._append("artifacts", row)
        artifact_id, run_id, root_id, owner, updated_at = row[0], row[1], row[2], row[6], row[9]
        self.event(ARTIFACT_CREATED, updated_at, run_id=run_id, root_id=root_id, subject_id=artifact_id, owner=owner)

    def take_in(self, batch: Batch) -> None:
        """Write another process's batch among this one's records, in its order."""
        for name in ("runs", "births", "changes", *PLAIN_PARTS):
            for row in getattr(batch, name):
                self._append(name, row)

    def _append(self, name: str, row: Any) -> None:
        self._rest.append((name, row))
        if not self._armed:
            self._arm()

    def _arm(self) -> None:
        self._armed = True
        if self._thread is None or not self._thread.is_alive():
            with self._writing:
                if (self._thread is None or not self._thread.is_alive()) and not self._closed:
                    self._thread = threading.Thread(target=self._work, name="headrace-recorder", daemon=True)
                    self._thread.start()
        self._wake.set()

    def _work(self) -> None:
        """Write what waits, `DELAY_SECONDS` after the first of it was recorded."""
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            deadline = time.monotonic() + DELAY_SECONDS
            while not self._closed and time.monotonic() < deadline and len(self._runs) + len(self._rest) < HIGH_WATER:
                time.sleep(0.005)
            self._armed = False
            try:
                self.flush()
            except Exception as error:
                warnings.warn(f"Headrace could not record: {error}", RuntimeWarning, stacklevel=1)

    def flush(self) -> None:
        """Write everything recorded so far, in this thread.

        Raises
        ------
        StoreError
            Neither the store nor a journal could be written; nothing is dropped, the next flush tries again.
        """
        with self._writing:
            if self._held is None:
                batch = self._take()
                if not batch:
                    return
                self._held = batch
            self._write(self._held)
            self._held = None
            rest = self._take()
            if rest:
                self._held = rest
                self._write(rest)
                self._held = None

    def _take(self) -> Batch:
        batch = Batch()
        runs, rest = self._runs, self._rest
        for _ in range(len(runs)):
            record = runs.popleft()
            record.queued = False
            count = len(record.changes)
            taken = record.changes[:count]
            del record.changes[:count]
            if not taken:
                continue
            if record.born:
                batch.changes.extend(_change(record, item) for item in taken)
            else:
                record.born = True
                batch.runs.append(run_row(_born(record.values, taken)))
                batch.births.extend(_change(record, item) for item in taken)
        for _ in range(len(rest)):
            name, row = rest.popleft()
            getattr(batch, name).append(row)
        return batch

    def _write(self, batch: Batch) -> None:
        if self._spill is not None:
            self._spill.write(batch)
            return
        deadline, wait = time.monotonic() + self._spill_seconds, 0.01
        while True:
            try:
                self.fenced.update(self._sink.write(batch))
                return
            except StoreError as error:
                if isinstance(error, StoreTooNew | StoreCorrupt) or time.monotonic() + wait > deadline:
                    self._start_spilling(error)
                    assert self._spill is not None
                    self._spill.write(batch)
                    return
            except Exception as error:
                self._write_what_can_be(batch, error)
                return
            time.sleep(wait)
            wait = min(0.5, wait * 2)

    def _start_spilling(self, error: StoreError) -> None:
        self._spill = JournalSink(self._store.place.data_dir / "journals")
        warnings.warn(
            f"Headrace keeps this process's records in a journal for now, and folds them in later: {error}",
            RuntimeWarning,
            stacklevel=2,
        )

    def _write_what_can_be(self, batch: Batch, error: Exception) -> None:
        """Write a batch record by record; those that the database refuses are kept in a file.

        Held back they would hold back everything behind them, for as long as the process lives.
        """
        aside = JournalSink(self._store.place.data_dir / "journals" / "refused")
        for part in batch.parts():
            try:
                self.fenced.update(self._sink.write(part))
            except Exception:
                aside.write(part)
        aside.close()
        if aside.path is not None:
            warnings.warn(
                f"Headrace could not record some of this process's records ({error}); they are kept in {aside.path}.",
                RuntimeWarning,
                stacklevel=2,
            )

    def close(self) -> None:
        """Write what waits and stop the writer."""
        try:
            self.flush()
        finally:
            self._closed = True
            self._wake.set()
            self._sink.close()
            if self._spill is not None:
                self._spill.close()


def _born(values: Mapping[str, Any], changes: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return a new run's columns as they are after its first changes."""
    row = dict(values)
    for state_type, state_name, message, at, attempt, patch, kind, _payload in changes:
        if kind == RUN_STATE:
            row["state_type"], row["state_name"], row["state_message"] = state_type, state_name, message
            row["state_at"], row["attempt"] = at, attempt
        if patch:
            started = row.get("started_at")
            row.update(patch)
            if started is not None:
                row["started_at"] = started
    return row


def _change(record: RunRecord, item: tuple[Any, ...]) -> Change:
    state_type, state_name, message, at, attempt, patch, kind, payload = item
    texts = {
        name: json_column(name, v) if isinstance(v, dict | list | tuple) else v for name, v in (patch or {}).items()
    }
    return Change(record.id, record.root_id, attempt, state_type, state_name, message, at, texts, kind, payload)


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _flush_all() -> None:
    for recorder in list(_recorders):
        try:
            recorder.close()
        except StoreError as error:
            warnings.warn(f"Headrace could not record at exit: {error}", RuntimeWarning, stacklevel=1)


def _forked() -> None:
    for recorder in list(_recorders):
        recorder._after_fork()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
