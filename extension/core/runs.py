"""The run: everything that executes, as one kind of record in a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from headrace.core.states import TERMINAL, StateType


class RunKind(str, Enum):
    """What executes."""

    FLOW = "flow"
    TASK = "task"
    NOTEBOOK = "notebook"
    CELL = "cell"

    def __str__(self) -> str:
        return self.value


class EdgeKind(str, Enum):
    """Why one run comes after another: it used a result, or only the order was asked for."""

    DATA = "data"
    ORDER = "order"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, as the store holds it.

    Instants (`*_at`) are µs since 1970 UTC. Absent values are None. The fields
    have the names of the store's columns.

    Parameters
    ----------
    id, root_id, parent_id : str
        The run, the root of its tree (itself for a root), its parent.
    kind : RunKind
        What executes.
    name : str
        The run's own name, e.g. "quick-heron" or "clean-3f2".
    definition : str
        The name of the flow, task, notebook (its path) or cell task.
    definition_key : str or None
        Identity of the definition: a task's key, a cell's id, a notebook's document id.
    version : str or None
        Version of the definition, or the hash of the source that ran.
    owner : str
        The login name of the person whose run it is.
    owner_id : str or None
        The process that moves it on (see `headrace.store.liveness`).
    host : str or None
        The machine it runs on.
    attempt, max_attempts : int
        Counted from 1; retries + 1.
    state_type, state_name, state_message, state_at
        The present state.
    created_at, scheduled_at, started_at, ended_at : int, µs
        `started_at` is the first attempt's start.
    tags : tuple of str
    parameters : mapping
        JSON values; secrets masked.
    error : mapping or None
        `{type, message, traceback, cell_id?, cell_index?}`, text only.
    result : mapping or None
        `{key, storage, serializer, size_bytes, type, preview}`: where it lies, never the value itself.
    cache : mapping or None
        `{hit, key, reason, parts, from_run_id}`: why it hit or missed.
    deployment_id, schedule_id, slot_at, trigger
        Why it exists; `trigger` is one of user, cell, cli, api, schedule, deployment, retry, flow.
    idempotency_key : str or None
        Given by the caller; unique per owner.
    resumed_from_id : str or None
        The run that this one retries or continues.
    notebook_path, document_id, cell_id, cell_index, kernel_id
        Where it stands in a notebook.
    pool, priority : str, int
        For the workers.
    lease_owner, lease_until
        The worker that claimed it, until when.
    pid : int or None
        The process that executes it.
    heartbeat_at : int or None, µs
    details : mapping
        What else is known (bounded): source, resumable, warnings, runtime, progress, task_count …
    """

    id: str
    root_id: str
    parent_id: str | None = None
    kind: RunKind = RunKind.FLOW
    name: str = ""
    definition: str = ""
    definition_key: str | None = None
    version: str | None = None
    owner: str = ""
    owner_id: str | None = None
    host: str | None = None
    attempt: int = 1
    max_attempts: int = 1
    state_type: StateType = StateType.PENDING
    state_name: str = "Pending"
    state_message: str = ""
    state_at: int = 0
    created_at: int = 0
    scheduled_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    tags: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    cache: Mapping[str, Any] | None = None
    deployment_id: str | None = None
    schedule_id: str | None = None
    slot_at: int | None = None
    trigger: str = "user"
    idempotency_key: str | None = None
    resumed_from_id: str | None = None
    notebook_path: str | None = None
    document_id: str | None = None
    cell_id: str | None = None
    cell_index: int | None = None
    kernel_id: str | None = None
    pool: str | None = None
    priority: int = 0
    lease_owner: str | None = None
    lease_until: int | None = None
    pid: int | None = None
    heartbeat_at: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.state_type in TERMINAL

    @property
    def duration_seconds(self) -> float | None:
        """Seconds from start to end; None before the start or the end."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0, self.ended_at - self.started_at) / 1_000_000

    def __repr__(self) -> str:
        return f"<Run {self.name} ({self.kind.value}) {self.state_name} {self.id}>"

    def _repr_html_(self) -> str:
        from headrace.core.cards import card, state_words
        from headrace.core.drawing import duration_text

        error = f"{self.error.get('type', '')}: {self.error.get('message', '')}" if self.error else ""
        attempt = f"{self.attempt} of {self.max_attempts}" if self.max_attempts > 1 else ""
        rows = [
            ("state", state_words(self.state_type.value, self.state_name)),
            ("why", self.state_message),
            ("error", error),
            ("time", duration_text(self.duration_seconds)),
            ("attempt", attempt),
            ("tags", ", ".join(self.tags)),
            ("id", self.id),
        ]
        return card(f"{self.kind.value} {self.name}", rows)


#: The columns of a run, in the order in which rows are written.
RUN_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Run))
#: Columns that hold JSON text.
#: Key in a run's details: the columns that could not be read. Such a run is shown, and never started.
DAMAGED = "damaged"
JSON_COLUMNS: frozenset[str] = frozenset({"tags", "parameters", "error", "result", "cache", "details"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`run_id` comes after `upstream_id`; `name` is the argument or variable that carried the result."""

    run_id: str
    upstream_id: str
    kind: EdgeKind = EdgeKind.DATA
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One log line of a run.

    Parameters
    ----------
    seq : int
        Its place in the store; lines of one run are in order.
    run_id, root_id : str
    at : int, µs
    level : int
        Python's levels: 10 debug, 20 info, 30 warning, 40 error, 50 critical.
    logger : str
        "print", "stdout", "stderr" or a logger's name.
    message : str
    """

    seq: int
    run_id: str
    root_id: str
    at: int
    level: int
    logger: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list.

    Parameters
    ----------
    state_types, state_names, kinds, names : tuple of str, default ()
        Any of these; empty means all. `names` match the run's or the definition's name by part, case folded.
    tags : tuple of str, default ()
        All of these.
    parent_id : str or None, default None
        Children of this run.
    roots_only : bool, default True
        Only runs without a parent (ignored with `parent_id` or `root_id`).
    root_id, deployment_id, schedule_id, document_id, cell_id, resumed_from_id, owner, trigger, pool : str or None
    since, until : int or None, µs
        Bounds on `created_at`: since ≤ created_at < until.
    text : str, default ""
        Part of the name, the definition or a tag.
    """

    state_types: tuple[str, ...] = ()
    state_names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    parent_id: str | None = None
    roots_only: bool = True
    root_id: str | None = None
    deployment_id: str | None = None
    schedule_id: str | None = None
    document_id: str | None = None
    cell_id: str | None = None
    resumed_from_id: str | None = None
    owner: str | None = None
    trigger: str | None = None
    pool: str | None = None
    since: int | None = None
    until: int | None = None
    text: str = ""
