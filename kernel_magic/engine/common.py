"""What both drivers do in the same way, without waiting."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

from headrace.core.errors import StoreError
from headrace.core.settings import text
from headrace.core.states import TERMINAL, State, StateType
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import (
    Ending,
    Kind,
    Outcome,
    Skipped,
    cancel_reason,
    raised,
    upstream_failed,
)

#: Stands for "the run around the caller".
NO_PARENT = object()
#: Kinds of runs whose beginning and end are on disk when the call goes on (DESIGN.md, "Durability").
_COMMITTED = frozenset({"flow", "notebook", "cell"})
#: Called with a flow run and True when an attempt of it begins, False when it has ended (live views in notebooks).
WATCHERS: list[Callable[[LiveRun, bool], None]] = []


def begin(run: LiveRun, attempt: int) -> None:
    """Record that an attempt runs; a flow's row is committed before its body starts."""
    if run.prints:
        from headrace.kernel_magic.run_logging import record_prints

        record_prints()
    run.begin(attempt)
    if run.kind in _COMMITTED:
        from headrace.kernel_magic import control

        control.watch(run.session)
        if text("LOGGING_EXTRA_LOGGERS"):
            from headrace.kernel_magic.run_logging import prepare

            prepare()
        flush(run)
        _tell_watchers(run, True)


def finish(run: LiveRun, outcome: Outcome) -> None:
    """Record the final state, and say in the run's log what went wrong."""
    run.end(outcome)
    if run.kind == "task" and (run.transaction is not None or run.options.undoable):
        from headrace.kernel_magic.engine.undoing import finished

        finished(run, outcome)
    if outcome.error is not None and outcome.kind not in (Kind.STOP, Kind.VALUE):
        from headrace.kernel_magic.engine.ending import say_failure

        say_failure(run, outcome)


def commit(run: LiveRun) -> None:
    """Have a flow's terminal state on disk before its call returns; a cell's goes there with what it has shown."""
    if run.kind in _COMMITTED:
        if run.kind != "cell":
            flush(run)
        _tell_watchers(run, False)


def _tell_watchers(run: LiveRun, begins: bool) -> None:
    if run.kind == "flow":
        for watch in WATCHERS:
            watch(run, begins)


def break_off(run: LiveRun, error: BaseException) -> None:
    """End a run that was interrupted outside its body: a second Ctrl-C while it waits for what it submitted."""
    if run.state_type in TERMINAL:
        return
    outcome = raised(error)
    cancelled = outcome.kind is Kind.CANCEL
    name = "Cancelled" if cancelled else "Crashed"
    said = cancel_reason(error) if cancelled else f"the engine was interrupted by {type(error).__name__}: {error}"
    outcome.ending = Ending(StateType.CANCELLED if cancelled else StateType.CRASHED, name, said)
    run.end(outcome)
    commit(run)


def flush(run: LiveRun) -> None:
    """Write what is recorded, in this thread; a store that cannot be written does not fail the run."""
    try:
        run.session.recorder.flush()
    except StoreError as error:
        warnings.warn(f"Headrace could not record: {error}", RuntimeWarning, stacklevel=2)


def refuse_by(run: LiveRun, state: State | None) -> Outcome | None:
    """Return why a run is not started, from the state of an upstream run."""
    if state is None or (state.is_completed() and state.name != "Skipped"):
        return None
    if state.is_completed():
        reason = f"upstream was skipped: {state.message}" if state.message else "upstream was skipped"
        return Outcome(Kind.STOP, Skipped(reason), StopUpstream(reason))
    what = f"{run.kind} run {run.name!r}"
    return upstream_failed(what, f"run {state.run_id or ''}".strip(), state.name)


class StopUpstream(Exception):
    """Why a run is skipped: what it depends on was."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def link_upstream(run: LiveRun, upstream: Iterable[tuple[str, str]]) -> None:
    """Record the edges to runs whose results this one uses."""
    for upstream_id, name in upstream:
        run.edge(upstream_id, name)
