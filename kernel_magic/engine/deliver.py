"""What a caller gets from a run that has ended: its result, its error, or its state."""

from __future__ import annotations

from typing import Any

from headrace.core.errors import CancelledRun, CancelSignal, FailedRun
from headrace.core.states import StateType
from headrace.kernel_magic.engine.ending import state_of
from headrace.kernel_magic.engine.live import CANCELS, LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome
from headrace.kernel_magic.resolve import PLAIN, link


def deliver(run: LiveRun, outcome: Outcome, return_state: bool = False) -> Any:
    """Return a run's result to its caller, or raise what it raised.

    Parameters
    ----------
    run : LiveRun
    outcome : Outcome
    return_state : bool, default False
        Return the final state, whatever it is. Interrupts are raised all the same.
    """
    if CANCELS.asked and run.parent is not None and run.parent.cancelled_above():
        raise CancelSignal(run.parent.reason_above())
    error = outcome.error
    if outcome.ending.type is StateType.COMPLETED:
        value = outcome.value
        if type(value) not in PLAIN:
            link(run, value)
        if not return_state:
            return value
        state = state_of(run, outcome)
        link(run, state)
        return state
    if error is not None and not isinstance(error, Exception | CancelSignal):
        raise error
    state = state_of(run, outcome)
    if return_state:
        return state
    if isinstance(error, Exception):
        raise error
    if outcome.kind is Kind.CANCEL or outcome.ending.type is StateType.CANCELLED:
        raise CancelledRun(
            f"{run.kind} run {run.name!r} was cancelled: {outcome.ending.message}", state=state, run_id=run.id
        )
    raise FailedRun(
        outcome.ending.message or f"{run.kind} run {run.name!r} ended {outcome.ending.name}.",
        state=state,
        run_id=run.id,
    )
