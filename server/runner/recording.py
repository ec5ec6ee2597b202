"""What of a notebook run goes into the store: the notebook's run, a run for each code cell, and their edges.

Responsibilities: make the rows before the first cell runs (one transaction);
move them on through the recorder; keep `details` whole. A cell that a kernel
with Headrace has adopted is moved by the kernel; here it is only looked up.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.events import RUN_UPDATED
from headrace.core.run_spec import NotebookSpec
from headrace.core.runs import EdgeKind, Run, RunKind
from headrace.core.settings import user_name
from headrace.core.states import TERMINAL, StateType, check_move
from headrace.server.runner.outcome import Ending
from headrace.server.runner.plan import CellPlan
from headrace.store import Store, liveness
from headrace.store.recorder import RunRecord
from headrace.store.rows import run_values

#: Progress is written at most so often, seconds (each write is a journal event).
PROGRESS_SECONDS = 0.1


@dataclass(slots=True)
class CellRun:
    """A code cell and how its run stands.

    Attributes
    ----------
    plan : CellPlan
    record : RunRecord
    state_type, state_name, message
        As last recorded here, or as the kernel left it.
    attempt : int
    started_at, ended_at : int or None, µs
        Of the last attempt, and of the whole.
    error : mapping or None
    adopted : bool
        The kernel moves it.
    details, result : mapping, mapping or None
        As in the store; `result` is what the kernel has kept of a task.
    """

    plan: CellPlan
    record: RunRecord
    state_type: StateType = StateType.PENDING
    state_name: str = "Pending"
    message: str = ""
    attempt: int = 1
    started_at: int | None = None
    ended_at: int | None = None
    error: Mapping[str, Any] | None = None
    adopted: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None

    @property
    def is_final(self) -> bool:
        """Whether the cell's run has ended."""
        return self.state_type in TERMINAL


class Recording:
    """The records of one notebook run.

    Parameters
    ----------
    store : Store
    spec : NotebookSpec
    run : Run
        The notebook's run: new, or taken over from the store.
    is_new : bool
        Whether its row has to be written.
    """

    def __init__(self, store: Store, spec: NotebookSpec, run: Run, *, is_new: bool) -> None:
        self.store = store
        self.spec = spec
        self.run = run
        self.details: dict[str, Any] = dict(run.details)
        self.state_type = run.state_type
        self.started_at = run.started_at
        self.cells: list[CellRun] = []
        self._is_new = is_new
        self._recorder = store.recorder
        self._record: RunRecord | None = None
        self._progress_at = 0.0
        self._done = 0

    def now(self) -> int:
        """Return the time, µs."""
        return self.store.clock.now_us()

    def open(
        self,
        plans: Sequence[CellPlan],
        edges: Iterable[tuple[str, str, EdgeKind, str]] = (),
        shown: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the rows of the notebook (in its first attempt) and of its cells, in one transaction.

        Parameters
        ----------
        plans : sequence of CellPlan
        edges : iterable of (run id, upstream run id, kind, name)
        shown : mapping or None, default None
            The parameters that the row of a run that was taken over is to show instead of what stands there.
        """
        run = self.run
        if self._record is not None:
            self.patch()
        elif self._is_new:
            values = run_values(run)
            values["details"] = dict(self.details)
            self._record = self._recorder.open(values)
        else:
            self._record = self._recorder.adopt(run.id, run.root_id, run.attempt)
            self.patch(columns={} if shown is None else {"parameters": dict(shown)})
        now = self.now()
        before = {cell.plan.cell_id: cell.plan.run_id for cell in self.cells}
        self.cells = []
        self._done = 0
        for plan in plans:
            values = self._cell_values(plan, now)
            values["resumed_from_id"] = before.get(plan.cell_id)
            details = dict(values["details"])
            self.cells.append(CellRun(plan=plan, record=self._recorder.open(values), details=details))
        for run_id, upstream_id, kind, name in edges:
            self._recorder.edge(run_id, upstream_id, kind.value, name)
        self._recorder.flush()

    @property
    def attempt(self) -> int:
        """The attempt of the notebook's run, counted from 1."""
        return self.run.attempt if self._record is None else self._record.attempt

    def _cell_values(self, plan: CellPlan, now: int) -> dict[str, Any]:
        run = self.run
        details: dict[str, Any] = {"number": plan.number}
        if self.attempt > 1:
            details["notebook_attempt"] = self.attempt
        if plan.task is not None:
            details["task"] = True
        return {
            "id": plan.run_id,
            "root_id": run.root_id,
            "parent_id": run.id,
            "kind": RunKind.CELL.value,
            "name": plan.name,
            "definition": plan.name,
            "definition_key": plan.cell_id,
            "version": source_version(plan.source),
            "owner": run.owner,
            "owner_id": run.owner_id,
            "host": run.host,
            "pid": run.pid,
            "max_attempts": plan.options.retries + 1,
            "state_type": StateType.PENDING.value,
            "state_name": "Pending",
            "state_at": now,
            "created_at": now,
            "tags": list(plan.options.tags),
            "trigger": "flow" if run.parent_id else run.trigger,
            "notebook_path": run.notebook_path,
            "document_id": run.document_id,
            "cell_id": plan.cell_id,
            "cell_index": plan.index,
            "details": details,
        }

    def patch(self, **details: Any) -> None:
        """Add to the notebook run's details; other columns can be given as `columns={…}`."""
        columns = details.pop("columns", {})
        self.details.update(details)
        assert self._record is not None
        self._recorder.change(
            self._record,
            self.state_type.value,
            "",
            self.now(),
            patch={"details": dict(self.details), **columns},
            kind=RUN_UPDATED,
        )

    def start(self, message: str = "", **columns: Any) -> None:
        """Say that the notebook runs: its kernel is ready."""
        if self.state_type is StateType.RUNNING:
            if columns:
                self.patch(columns=columns)
            return
        now = self.now()
        self.started_at = self.started_at or now
        name = "Running" if self.attempt == 1 else "Retrying"
        patch = {"started_at": now, "details": dict(self.details), **columns}
        self._move(StateType.RUNNING, name, message, now, patch)

    def _move(self, state: StateType, name: str, message: str, at: int, patch: Mapping[str, Any]) -> None:
        check_move(self.state_type, state, name)
        assert self._record is not None
        self.state_type = state
        self._recorder.change(self._record, state.value, name, at, message, patch)

    def start_cell(self, cell: CellRun, *, announce: bool = True) -> None:
        """Say that a cell runs.

        Parameters
        ----------
        cell : CellRun
        announce : bool, default True
            False where the kernel is expected to say it.
        """
        cell.started_at = self.now()
        if announce:
            self._announce(cell)

    def _announce(self, cell: CellRun) -> None:
        name = "Running" if cell.attempt == 1 else "Retrying"
        assert cell.started_at is not None
        self._move_cell(cell, StateType.RUNNING, name, "", cell.started_at, {"started_at": cell.started_at})

    def retry_cell(self, cell: CellRun, message: str, delay_seconds: float) -> None:
        """Say that a cell's attempt failed and another one follows."""
        now = self.now()
        due = now + int(delay_seconds * 1_000_000)
        self._move_cell(cell, StateType.SCHEDULED, "AwaitingRetry", message, now, {"scheduled_at": due})
        cell.attempt += 1
        cell.record.attempt = cell.attempt

    def end_cell(
        self,
        cell: CellRun,
        state: StateType,
        name: str,
        message: str = "",
        *,
        error: Mapping[str, Any] | None = None,
        details: Mapping[str, Any] | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> None:
        """Say how a cell ended; `details` are added to what is known, `columns` are further ones of its row."""
        if cell.is_final:
            return
        now = self.now()
        if cell.started_at is not None and cell.state_type is StateType.PENDING:
            self._announce(cell)
        patch: dict[str, Any] = dict(columns or {})
        if cell.started_at is not None:
            patch["ended_at"] = now
        if error is not None:
            patch["error"] = cell.error = dict(error)
        if details:
            cell.details.update(details)
            patch["details"] = dict(cell.details)
        cell.ended_at = now if cell.started_at is not None else None
        self._move_cell(cell, state, name, message, now, patch)
        self._count()

    def patch_cell(self, cell: CellRun, details: Mapping[str, Any]) -> None:
        """Add to the details of a cell, whoever moves it."""
        cell.details.update(details)
        self._recorder.change(
            cell.record,
            cell.state_type.value,
            cell.state_name,
            self.now(),
            patch={"details": dict(cell.details)},
            kind=RUN_UPDATED,
        )

    def _move_cell(
        self, cell: CellRun, state: StateType, name: str, message: str, at: int, patch: Mapping[str, Any]
    ) -> None:
        check_move(cell.state_type, state, name)
        cell.state_type, cell.state_name, cell.message = state, name, message
        self._recorder.change(cell.record, state.value, name, at, message, patch)

    def look_up(self, cell: CellRun) -> None:
        """Take over what the kernel recorded of a cell that it may have adopted."""
        run = self.store.runs.find(cell.plan.run_id)
        if run is None or run.state_type is StateType.PENDING:
            return
        cell.adopted = run.owner_id != self.run.owner_id
        if not cell.adopted:
            return
        was_final = cell.is_final
        cell.state_type, cell.state_name, cell.message = run.state_type, run.state_name, run.state_message
        cell.attempt = cell.record.attempt = run.attempt
        cell.started_at, cell.ended_at = run.started_at, run.ended_at
        cell.error, cell.result = run.error, run.result
        cell.details = dict(run.details)
        if cell.is_final and not was_final:
            self._count()

    def _count(self) -> None:
        self._done += 1
        if time.monotonic() - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            self.patch(progress=self.progress())

    def progress(self) -> dict[str, int]:
        """Return how many cells have ended, of how many."""
        return {"done": self._done, "total": len(self.cells)}

    def output(self, cell: CellRun, position: int, output: Mapping[str, Any] | None) -> None:
        """Record a cell's output at its position; None cuts off from there on."""
        self._recorder.output(cell.plan.run_id, self.run.root_id, position, self.now(), output)

    def log(self, cell: CellRun | None, level: int, logger: str, message: str) -> None:
        """Record a log line of a cell, or of the notebook."""
        run_id = self.run.id if cell is None else cell.plan.run_id
        self._recorder.log(run_id, self.run.root_id, self.now(), level, logger, message)

    def await_retry(self, ending: Ending, delay_seconds: float, *, hand_back: bool = False) -> None:
        """Say that the attempt failed and another one follows, on disk when this returns.

        Parameters
        ----------
        ending : Ending
            Of the attempt.
        delay_seconds : float
        hand_back : bool, default False
            The next attempt is a worker's to start: this process no longer owns the run.
        """
        now = self.now()
        patch: dict[str, Any] = {
            "details": dict(self.details),
            "scheduled_at": now + int(delay_seconds * 1_000_000),
        }
        if hand_back:
            patch.update(owner_id=None, lease_owner=None, lease_until=None, pid=None)
        self._move(StateType.SCHEDULED, "AwaitingRetry", ending.message, now, patch)
        self._recorder.flush()
        if not hand_back:
            assert self._record is not None
            self._record.attempt += 1

    def end(
        self,
        state: StateType,
        name: str,
        message: str = "",
        *,
        error: Mapping[str, Any] | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> bool:
        """Say how the notebook ended, on disk when this returns.

        Returns
        -------
        bool
            False when another process had ended it before.

        Raises
        ------
        StoreError
            Neither the store nor a journal could be written.
        """
        now = self.now()
        self.details["progress"] = self.progress()
        patch: dict[str, Any] = {"details": dict(self.details), **(columns or {})}
        if state in TERMINAL:
            patch["ended_at"] = now
        if error is not None:
            patch["error"] = dict(error)
        self._move(state, name, message, now, patch)
        self._recorder.flush()
        return self.run.id not in self._recorder.fenced

    def flush(self) -> None:
        """Write what waits, now."""
        self._recorder.flush()


def source_version(source: str) -> str:
    """Return the digest of a cell's source that its run carries as `version`."""
    return hashlib.sha256(source.encode(errors="replace")).hexdigest()


def new_notebook_run(
    spec: NotebookSpec,
    *,
    now: int,
    name: str,
    notebook_path: str,
    digest: str,
    document_id: str | None,
    parameters: Mapping[str, Any],
    resumed_from_id: str | None = None,
) -> Run:
    """Return the run of a notebook that this process is about to execute."""
    from headrace.core.ids import new_id

    run_id = spec.run_id or new_id()
    return Run(
        id=run_id,
        root_id=spec.root_id or run_id,
        parent_id=spec.parent_id,
        kind=RunKind.NOTEBOOK,
        name=name,
        definition=notebook_path,
        definition_key=document_id,
        version=digest or None,
        owner=user_name(),
        owner_id=liveness.owner_id(),
        host=socket.gethostname(),
        max_attempts=spec.retries + 1,
        state_type=StateType.PENDING,
        state_name="Starting",
        state_at=now,
        created_at=now,
        scheduled_at=spec.scheduled_at,
        tags=spec.tags,
        parameters=dict(parameters),
        deployment_id=spec.deployment_id,
        schedule_id=spec.schedule_id,
        trigger=spec.trigger,
        resumed_from_id=resumed_from_id,
        notebook_path=notebook_path,
        document_id=document_id,
        pid=os.getpid(),
        heartbeat_at=now,
    )
