"""How a run ends: what a returned value means, what is waited for, what its log says."""

from __future__ import annotations

import logging
from types import CoroutineType
from typing import Any

from headrace.core.errors import UsageError, one_line
from headrace.core.states import TERMINAL, State, StateType
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import COMPLETED, Ending, Kind, Outcome

S = StateType


def judge_task(outcome: Outcome) -> Ending:
    """Return how a task run ends that returned: a state says it itself, everything else is COMPLETED."""
    value = outcome.value
    if isinstance(value, State):
        return _as_returned(outcome, value)
    return _never_awaited(outcome, value) if type(value) is CoroutineType else COMPLETED


def judge_flow(outcome: Outcome) -> Ending:
    """Return how a flow run ends that returned.

    A single state or future is the flow's own state. Else one cancelled state
    anywhere in the value makes it CANCELLED, one failed or crashed FAILED; then
    a failed run that nothing looked at makes it FAILED.
    """
    value = outcome.value
    if isinstance(value, State):
        return _as_returned(outcome, value)
    if type(value) is CoroutineType:
        return _never_awaited(outcome, value)
    found = outcome.found
    bad = [state for state in found if state.type in TERMINAL and state.type is not S.COMPLETED]
    if bad:
        cancelled = [state for state in bad if state.type is S.CANCELLED]
        first = (cancelled or bad)[0]
        if isinstance(first.data, BaseException) and outcome.error is None:
            outcome.error = first.data
        if cancelled:
            return Ending(S.CANCELLED, "Cancelled", f"{len(cancelled)} of {len(found)} returned runs were cancelled")
        return Ending(S.FAILED, "Failed", f"{len(bad)} of {len(found)} returned runs failed: {_said(first)}")
    if outcome.ignored:
        first = outcome.ignored[0]
        if isinstance(first.data, BaseException) and outcome.error is None:
            outcome.error = first.data
        more = f" (and {len(outcome.ignored) - 1} more)" if len(outcome.ignored) > 1 else ""
        return Ending(
            S.FAILED,
            "Failed",
            f"a task that nothing looked at did not complete: {_said(first)}{more}; look at its future "
            "(.state, .result(), .wait()), return it, or pass it on",
        )
    return COMPLETED


def _as_returned(outcome: Outcome, state: State) -> Ending:
    if state.type not in TERMINAL:
        return COMPLETED
    outcome.value = state.data
    if state.type is not S.COMPLETED:
        outcome.value = None
        if isinstance(state.data, BaseException):
            outcome.error = state.data
        else:
            try:
                state.result()
            except Exception as error:
                outcome.error = error
    return Ending(state.type, state.name, state.message)


def _never_awaited(outcome: Outcome, value: Any) -> Ending:
    """Fail a run that returned a coroutine: nobody can await it any more."""
    name = getattr(value, "__qualname__", "a coroutine function")
    value.close()
    outcome.value = None
    outcome.error = UsageError(
        f"It returned a coroutine ({name}) that was never awaited; make it an `async def` and await it, or .submit() it."
    )
    return Ending(S.FAILED, "Failed", f"{type(outcome.error).__name__}: {outcome.error}")


def _said(state: State) -> str:
    return (state.message or state.name).rstrip(".")


def settle(run: LiveRun, outcome: Outcome) -> Outcome:
    """Wait for what a flow's body submitted, then look through what it returned."""
    if run.futures:
        from headrace.kernel_magic.futures import settle_all

        settle_all(run, outcome)
    return conclude(run, outcome)


def conclude(run: LiveRun, outcome: Outcome) -> Outcome:
    """Find states in the returned value, and failed runs that nothing looked at."""
    value = outcome.value
    if run.calls and outcome.kind is Kind.VALUE:
        names = ", ".join(sorted(set(run.calls.values())))
        if type(value) is CoroutineType:
            value.close()
        error = UsageError(
            f"{run.kind} {run.definition.name!r} called {names} without awaiting it: write `await` before the call, or "
            "use .submit(), which needs none."
        )
        outcome = Outcome(Kind.ERROR, None, error)
    run.calls = None
    if outcome.kind is Kind.VALUE:
        if value is not None and type(value) not in _PLAIN:
            from headrace.kernel_magic.resolve import look_through

            outcome.value, outcome.found = look_through(value)
        if run.futures:
            outcome.ignored = [f._state for f in run.futures if not f._looked_at and _failed(f._state)]
    run.futures = None
    if run.runner is not None:
        runner, run.runner = run.runner, None
        runner.close()
    return outcome


_PLAIN = frozenset({int, float, str, bool, bytes})


def _failed(state: State | None) -> bool:
    return state is not None and state.type in TERMINAL and state.type is not S.COMPLETED


def ask(run: LiveRun, condition: Any, outcome: Outcome) -> bool:
    """Call a retry condition; an error in it means no retry."""
    import inspect

    from headrace.kernel_magic.hooks import arguments

    try:
        answer = condition(*arguments(run, outcome))
        if inspect.isawaitable(answer):
            from headrace.kernel_magic.engine.loops import run_to_end

            answer = run_to_end(answer)
        return bool(answer)
    except Exception as error:
        say_condition_failed(run, error)
        return False


def say_condition_failed(run: LiveRun, error: Exception) -> None:
    """Log that the retry condition itself failed."""
    from headrace.kernel_magic.run_logging import say

    say(
        run,
        logging.ERROR,
        f"retry_condition_fn raised {type(error).__name__}: {one_line(error)}; no further attempt is made",
    )


def say_retry(run: LiveRun, seconds: float, message: str) -> None:
    """Log that another attempt follows."""
    from headrace.kernel_magic.run_logging import say

    say(run, logging.WARNING, f"{message}; next attempt in {seconds:g} s")


def say_failure(run: LiveRun, outcome: Outcome) -> None:
    """Log how a run ended that did not complete: the run keeps the traceback, the console shows a line."""
    from headrace.kernel_magic.engine.tracebacks import traceback_text
    from headrace.kernel_magic.run_logging import say

    ending = outcome.ending
    text = f"{ending.name}: {ending.message}"
    if ending.type is S.CANCELLED:
        say(run, logging.WARNING, text)
    elif outcome.kind is Kind.ERROR and outcome.error is not None:
        say(run, logging.ERROR, text, f"{text}\n{traceback_text(outcome.error)}")
    else:
        say(run, logging.ERROR, text)


def state_of(run: LiveRun, outcome: Outcome) -> State:
    """Return the final state with what the run returned or raised."""
    failed = outcome.error is not None and outcome.ending.type is not S.COMPLETED
    return run.state(outcome.error if failed else outcome.value)
