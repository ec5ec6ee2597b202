"""A run while this process moves it on: the face of its record, and the context of the code in it."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.events import RUN_UPDATED
from headrace.core.ids import new_id
from headrace.core.runs import Run
from headrace.core.states import MOVES, State, StateType
from headrace.kernel_magic.definition import Definition
from headrace.kernel_magic.engine.depth import check_depth
from headrace.kernel_magic.engine.outcome import Kind, Outcome
from headrace.kernel_magic.engine.session import Session, session
from headrace.kernel_magic.names import fill_template, run_slug, task_slug
from headrace.kernel_magic.previews import pictures, safe_result_picture

if TYPE_CHECKING:
    from headrace.kernel_magic.transactions import Transaction
    from headrace.store.recorder import RunRecord

#: So many records wait at most before a thread that makes more has to help writing them (bounds memory).
BACKLOG = 20_000

S = StateType
CURRENT: contextvars.ContextVar[LiveRun | None] = contextvars.ContextVar("headrace_run", default=None)
TAGS: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("headrace_tags", default=())
TRANSACTION: contextvars.ContextVar[Transaction | None] = contextvars.ContextVar("headrace_transaction", default=None)
#: Every run that this process moves on, by id.
LIVE: dict[str, LiveRun] = {}


class _Cancels:
    """Whether any run of this process has ever been asked to end: until then nobody needs to look."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False


CANCELS = _Cancels()


def current() -> LiveRun | None:
    """Return the run around the caller; in a plain thread that a run started, that run."""
    run = CURRENT.get()
    if run is None:
        run = getattr(threading.current_thread(), "_headrace_run", None)
    return run


def kept_by_flow(options: Any, flow: Any) -> bool:
    """Return whether a task that does not say so itself stores results because the flow around it does."""
    if flow is options or options.persist_result is not None or not hasattr(options, "cache_policy"):
        return False
    return flow.persist_result is True or (
        flow.persist_result is None
        and (getattr(flow, "result_storage", None) is not None or getattr(flow, "result_serializer", None) is not None)
    )


class LiveRun:
    """A run while this process moves it on.

    Parameters
    ----------
    definition : Definition
    parent : LiveRun or None
        The run around it.
    parameters : mapping or None
        Arguments by name; kept as they are, recorded as pictures.
    name : str or None, default made up
    record : RunRecord or None
        An adopted record, for a run that is in the store already.
    fields : mapping or None
        Further columns of `runs` (cell_id, notebook_path, trigger, deployment_id …).
    chain_id : str or None
        The first run of the chain that this one continues; by default the outermost run.
    adopted : Run or None
        What `record` is of, RUNNING already and owned by this process.
    session_ : Session or None, default this process's
        Where a root records.
    """

    __slots__ = (
        "__weakref__",
        "attempt",
        "cached",
        "calls",
        "cancel_reason",
        "chain_id",
        "decision",
        "definition",
        "depth",
        "extra",
        "fields",
        "flow",
        "futures",
        "handle",
        "held",
        "id",
        "kind",
        "late",
        "left",
        "links",
        "name",
        "options",
        "parameters",
        "parent",
        "pauses",
        "prints",
        "record",
        "root",
        "root_id",
        "runner",
        "session",
        "state_at",
        "state_message",
        "state_name",
        "state_type",
        "tags",
        "taken",
        "told",
        "transaction",
    )

    def __init__(
        self,
        definition: Definition,
        parent: LiveRun | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        name: str | None = None,
        record: RunRecord | None = None,
        fields: Mapping[str, Any] | None = None,
        chain_id: str | None = None,
        adopted: Run | None = None,
        session_: Session | None = None,
    ) -> None:
        self.definition = definition
        self.flow: LiveRun
        self.chain_id: str
        self.options = options = definition.options
        self.parent = parent
        self.kind = kind = definition.kind
        self.parameters = parameters
        self.fields = fields
        self.record = record
        self.attempt = 1
        self.state_type: StateType | None = None
        self.state_name = self.state_message = ""
        self.state_at = 0
        self.cancel_reason: str | None = None
        self.handle: Any = None
        self.futures: list[Any] | None = None
        self.runner: Any = None
        self.calls: dict[int, str] | None = None
        self.links: dict[int, Any] | None = None
        self.told: set[str] | None = None
        self.decision: Any = None
        self.cached: Any = None
        self.held: list[Callable[[], None]] | None = None
        self.left: Any = None
        self.late: dict[str, Any] | None = None
        self.extra: dict[str, Any] | None = None
        self.pauses = 0
        if name is None:
            name = run_slug() if kind == "flow" else task_slug(definition.name)
        self.name = name
        if parent is None:
            self.session = session_ or session()
            self.root = self
            self.depth = 0
            prints = options.log_prints
            self.prints = self.session.prints if prints is None else prints
        else:
            self.session = parent.session
            self.root = parent.root
            self.depth = parent.depth + 1
            self.prints = parent.prints if options.log_prints is None else options.log_prints
            if self.depth > self.session.deepest or self.depth % 10 == 9:
                check_depth(self.depth, self.session.deepest, f"{kind} {definition.name!r}")
        self.flow = self if (kind == "flow" or parent is None) else parent.flow
        self.transaction: Transaction | None = None
        if TRANSACTION.get() is not None or (parent is not None and parent.transaction is not None):
            from headrace.kernel_magic.engine.undoing import active

            self.transaction = active(parent)
        context_tags = TAGS.get()
        self.tags = tuple(sorted({*options.tags, *context_tags})) if context_tags else tuple(options.tags)
        if record is None:
            self.id = new_id()
        else:
            self.id = record.id
            self.attempt = record.attempt
            here = self.session
            self.late = {"owner_id": here.owner_id, "host": here.host, "pid": here.pid, **(fields or {})}
            LIVE[self.id] = self
        # A cell of a notebook run, made by the runner, is this process's outermost run but not the tree's.
        self.root_id: str = parent.root_id if parent is not None else (self.id if record is None else record.root_id)
        self.chain_id = chain_id or (self.id if parent is None else parent.chain_id)
        self.taken = adopted is not None
        if adopted is not None:
            self._take(adopted)

    def _take(self, run: Run) -> None:
        """Go on with a run that another process made and that this one has taken over."""
        self.state_type, self.state_name, self.state_at = run.state_type, run.state_name, run.state_at
        self.extra = dict(run.details)
        self.tags = tuple(sorted({*self.tags, *run.tags}))
        self.fields = {"deployment_id": run.deployment_id, "schedule_id": run.schedule_id, "slot_at": run.slot_at}
        self.late = {"definition_key": self.definition.key, "version": self.definition.version}

    # ---------------------------------------------------------------- recording

    def move(
        self,
        state_type: StateType,
        state_name: str,
        message: str = "",
        patch: dict[str, Any] | None = None,
        at: int = 0,
    ) -> None:
        """Record a state; the run is born with its first one.

        Raises
        ------
        AssertionError
            The table of moves has no such pair: the brain is wrong.
        """
        at = at or time.time_ns() // 1000
        old = self.state_type
        assert old is None or state_type in MOVES[old], (old, state_type)
        self.state_type, self.state_name, self.state_message, self.state_at = state_type, state_name, message, at
        recorder = self.session.recorder
        if self.record is None:
            self.record = recorder.open(self._columns(state_type, state_name, message, at, patch))
            LIVE[self.id] = self
            if recorder.waiting > BACKLOG:
                recorder.flush()
        else:
            self.record.attempt = self.attempt
            recorder.change(self.record, state_type.value, state_name, at, message, patch)

    def _columns(
        self, state_type: StateType, state_name: str, message: str, at: int, patch: dict[str, Any] | None
    ) -> dict[str, Any]:
        here, definition, parent = self.session, self.definition, self.parent
        parameters = self.parameters
        columns: dict[str, Any] = {
            "id": self.id,
            "root_id": self.root_id,
            "parent_id": None if parent is None else parent.id,
            "kind": self.kind,
            "name": self.name,
            "definition": definition.name,
            "definition_key": definition.key,
            "version": definition.version,
            "owner": here.owner,
            "owner_id": here.owner_id,
            "host": here.host,
            "pid": here.pid,
            "attempt": self.attempt,
            "max_attempts": self.options.retries + 1,
            "state_type": state_type.value,
            "state_name": state_name,
            "state_message": message,
            "state_at": at,
            "created_at": at,
            "heartbeat_at": at if parent is None else None,
            "started_at": at if state_type is S.RUNNING else None,
            "tags": self.tags,
            "parameters": pictures(parameters) if parameters else "{}",
            "details": self._details(),
        }
        if parent is not None:
            columns["trigger"] = "flow"
        if self.fields:
            columns.update(self.fields)
        if patch:
            columns.update(patch)
        return columns

    def _details(self) -> Any:
        """Return the source for the first run of a definition in its tree; later ones point to that run."""
        definition, told = self.definition, self.root.told
        if told is None:
            told = self.root.told = set()
        if self.extra:
            return {**definition.details, **self.extra}
        if definition.key in told:
            return "{}"
        told.add(definition.key)
        return definition.details_text

    def details(self, **more: Any) -> None:
        """Add to the run's details; they are recorded with its next state."""
        self.extra = {**(self.extra or {}), **more}

    def begin(self, attempt: int) -> None:
        """Record that an attempt runs."""
        self.attempt = attempt
        self.pauses = 0
        if self.taken:
            self._begin_taken()
            return
        at = time.time_ns() // 1000
        patch: dict[str, Any] | None = None
        if self.record is not None:
            patch = {"started_at": at}
            if self.late:
                patch.update(self.late)
                self.late = None
        self.move(S.RUNNING, "Running" if attempt == 1 else "Retrying", "", patch, at)

    def _begin_taken(self) -> None:
        """Record what this process knows of a run that it has taken over; that it runs is recorded already."""
        self.taken = False
        at = time.time_ns() // 1000
        patch = {**(self.late or {}), "details": {**self.definition.details, **(self.extra or {})}, "name": self.name}
        self.late = None
        assert self.record is not None
        assert self.state_type is not None
        recorder = self.session.recorder
        recorder.change(self.record, self.state_type.value, self.state_name, at, "", patch, RUN_UPDATED)

    def renamed(self, parameters: Mapping[str, Any]) -> None:
        """Take over the arguments with values in the place of futures; they are recorded with the next state."""
        if parameters is not self.parameters:
            self.parameters = parameters
            self.late = {"parameters": pictures(parameters)}
            template = getattr(self.options, "task_run_name", None)
            if template is not None:
                self.name = self.late["name"] = fill_template(template, parameters, "task_run_name", self)

    def hold(self, let_go: Callable[[], None]) -> None:
        """Keep something (a slot, a key) until the attempt has ended."""
        if self.held is None:
            self.held = []
        self.held.append(let_go)

    def let_go(self) -> None:
        """Give back what the attempt held."""
        held, self.held = self.held, None
        for let_go in reversed(held or ()):
            let_go()

    def wait(self, seconds: float, message: str) -> None:
        """Record that the next attempt comes in `seconds`; slots are free meanwhile."""
        if self.held is not None:
            self.let_go()
        at = time.time_ns() // 1000
        due = at + int(seconds * 1_000_000)
        self.move(S.SCHEDULED, "AwaitingRetry", message, {"scheduled_at": due}, at)

    def end(self, outcome: Outcome) -> None:
        """Record the final state."""
        ending = outcome.ending
        at = time.time_ns() // 1000
        patch: dict[str, Any] = {"ended_at": at}
        if outcome.kind is Kind.VALUE:
            if outcome.value is not None:
                patch["result"] = safe_result_picture(outcome.value)
            if outcome.error is not None:
                patch["error"] = _error_record(outcome.error)
        elif outcome.error is not None and ending.type is not S.COMPLETED:
            patch["error"] = _error_record(outcome.error)
        if self.decision is not None:
            patch.update(self.decision)
        if self.extra:
            patch["details"] = {**self.definition.details, **self.extra}
        self.move(ending.type, ending.name, ending.message, patch, at)
        LIVE.pop(self.id, None)
        if self.held is not None:
            self.let_go()

    @property
    def keeps(self) -> bool:
        """Whether results are looked up and stored: the task's options say so, or else those of the flow around it."""
        options = self.options
        return getattr(options, "keeps", False) or kept_by_flow(options, self.flow.options)

    def repeatable(self) -> bool:
        """Return whether another attempt may be made: not beside a body that was left behind, if the options say so."""
        left = self.left
        return left is None or left.ended.is_set() or getattr(self.options, "on_stuck", "wait") == "wait"

    def cancelling(self, reason: str) -> None:
        """Record that the run is being cancelled: its clean-up is about to run."""
        if self.state_type is not S.CANCELLING:
            self.move(S.CANCELLING, "Cancelling", reason)

    def edge(self, upstream_id: str, name: str = "", kind: str = "data") -> None:
        """Record that this run comes after another."""
        if upstream_id != self.id:
            self.session.recorder.edge(self.id, upstream_id, kind, name)

    def log(self, level: int, logger: str, message: str) -> None:
        """Record a log line of this run."""
        self.session.recorder.log(self.id, self.root_id, time.time_ns() // 1000, level, logger, message)

    # ---------------------------------------------------------------- reading

    def state(self, data: Any = None) -> State:
        """Return the run's present state."""
        return State(
            type=self.state_type or S.PENDING,
            name=self.state_name or "Pending",
            message=self.state_message,
            at_us=self.state_at,
            attempt=self.attempt,
            data=data,
            run_id=self.id,
        )

    def is_within(self, ancestor: LiveRun) -> bool:
        """Return whether this run is `ancestor` or below it."""
        run: LiveRun | None = self
        while run is not None:
            if run is ancestor:
                return True
            run = run.parent
        return False

    def cancelled_above(self) -> bool:
        """Return whether this run or one above it has been asked to end."""
        run: LiveRun | None = self
        while run is not None:
            if run.cancel_reason is not None:
                return True
            run = run.parent
        return False

    def reason_above(self) -> str:
        """Return why this run has to end: the reason that was given for it, or that the run around it has to."""
        return self.cancel_reason or "the run around it was cancelled"

    def __repr__(self) -> str:
        return f"<{self.kind} run {self.name} {self.state_name}>"


def _error_record(error: BaseException) -> dict[str, Any]:
    from headrace.kernel_magic.engine.tracebacks import error_record

    return error_record(error)
