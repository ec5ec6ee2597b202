"""The brain: what a run does next, decided without I/O, clock or thread.

`decide` is a generator. It yields steps and is sent their answers; the sync
and the async driver do what the steps say, each in its own way. Everything
that can happen to a run, whatever runs it, is in this file.

=========== ========================================== =====================================
step        the driver is to                           its answer
=========== ========================================== =====================================
LOOKUP      look for a stored result                   Outcome (HIT) or None
ACQUIRE     wait for the slots that its tags need      Outcome (CANCEL) or None
BEGIN       record that attempt n runs                 None
CALL        run the body, within its time limit        Outcome
SETTLE      wait for the runs that the body submitted  Outcome
KEEP        store the result                           Outcome, the same or a failure
ASK         call the retry condition                   bool
WAIT        record AwaitingRetry, then wait            Outcome (CANCEL) or None
HOOKS       call hooks                                 None
CANCELLING  record that the run is being cancelled     None
END         record the final state                     None
SUSPEND     record that it waits without a process     None
=========== ========================================== =====================================
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import IntEnum
from random import random
from typing import Any

from headrace.core.errors import one_line
from headrace.core.states import StateType
from headrace.kernel_magic.engine.outcome import CACHED, COMPLETED, Ending, Kind, Outcome, cancel_reason
from headrace.kernel_magic.options import RunOptions
from headrace.kernel_magic.retries import wait_seconds

S = StateType


class Op(IntEnum):
    """What a step asks for."""

    LOOKUP = 0
    ACQUIRE = 1
    BEGIN = 2
    CALL = 3
    SETTLE = 4
    KEEP = 5
    ASK = 6
    WAIT = 7
    HOOKS = 8
    END = 9
    CANCELLING = 10
    SUSPEND = 11


LOOKUP, ACQUIRE, BEGIN, CALL, SETTLE, KEEP, ASK, WAIT, HOOKS, END, CANCELLING, SUSPEND = Op

Step = tuple[Any, ...]
Brain = Generator[Step, Any, Outcome]
Judge = Callable[[Outcome], Ending]

_CALL: Step = (CALL,)
_SETTLE: Step = (SETTLE,)
_LOOKUP: Step = (LOOKUP,)
_ACQUIRE: Step = (ACQUIRE,)


def decide(
    options: RunOptions,
    *,
    judge: Judge | None = None,
    settles: bool = False,
    keeps: bool = False,
    limited: bool = False,
    attempt: int = 1,
    refused: Outcome | None = None,
    repeatable: Callable[[], bool] | None = None,
    draw: Callable[[], float] = random,
) -> Brain:
    """Yield the steps of one run.

    Parameters
    ----------
    options : RunOptions
    judge : callable(Outcome) → Ending, or None
        Says what a returned value means; None: COMPLETED.
    settles : bool, default False
        The run waits for what its body submitted (flows).
    keeps : bool, default False
        Results are looked up and stored.
    limited : bool, default False
        Tags may have concurrency limits.
    attempt : int, default 1
        The first attempt's number, more than 1 for a run that was begun before.
    refused : Outcome or None
        Why the body must not run at all (an upstream run failed, or was skipped).
    repeatable : callable or None
        Says whether the body may be run again at all (a generator that has yielded may not).
    draw : callable, default random.random
        For jitter.

    Returns
    -------
    Outcome
        Of the last attempt, with its `ending`.
    """
    if refused is not None:
        refused.ending = _ending(refused, judge)
        yield (END, refused)
        yield from _hooks_after(options, refused)
        return refused
    first = attempt
    while True:
        if keeps:
            hit = yield _LOOKUP
            if hit is not None:
                hit.ending = CACHED if hit.kind is Kind.HIT else _ending(hit, judge)
                yield (END, hit)
                yield from _hooks_after(options, hit)
                return hit
        outcome: Outcome | None = None
        if limited:
            outcome = yield _ACQUIRE
        if outcome is None:
            yield (BEGIN, attempt)
            if options.on_running:
                yield (HOOKS, options.on_running, None)
            outcome = yield _CALL
            if settles:
                outcome = yield (SETTLE, outcome)
            if outcome.kind is Kind.SUSPEND:
                text = "" if outcome.error is None else one_line(outcome.error)
                outcome.ending = Ending(S.PAUSED, "Suspended", text)
                yield (SUSPEND, outcome)
                return outcome
            if keeps and outcome.kind is Kind.VALUE and _ending(outcome, judge).type is S.COMPLETED:
                outcome = yield (KEEP, outcome)
        ending = outcome.ending = _ending(outcome, judge)
        if attempt - first < options.retries and _may_retry(options, outcome, ending):
            again = repeatable is None or repeatable()
            if again and options.retry_condition_fn is not None:
                again = yield (ASK, options.retry_condition_fn, outcome)
            if again:
                delay = wait_seconds(options.delays, attempt - first, options.retry_jitter_factor or 0.0, draw)
                cancelled = yield (WAIT, delay, _retry_message(attempt, first + options.retries - 1, outcome, ending))
                if cancelled is None:
                    attempt += 1
                    continue
                outcome, ending = cancelled, _ending(cancelled, judge)
                outcome.ending = ending
        if ending.type is S.CANCELLED and options.on_cancellation:
            # A run is CANCELLED only when its clean-up has run (issue 3, point 12).
            yield (CANCELLING, ending.message)
            yield (HOOKS, options.on_cancellation, outcome)
            yield (END, outcome)
            return outcome
        yield (END, outcome)
        yield from _hooks_after(options, outcome)
        return outcome


def _may_retry(options: RunOptions, outcome: Outcome, ending: Ending) -> bool:
    if ending.type is S.FAILED:
        return outcome.kind is not Kind.UPSTREAM
    return ending.type is S.CRASHED and options.on_crash == "retries"


def _ending(outcome: Outcome, judge: Judge | None) -> Ending:
    """Return the state that an outcome ends a run in, if nothing else is tried."""
    kind = outcome.kind
    if kind is Kind.VALUE:
        return COMPLETED if judge is None else judge(outcome)
    if kind is Kind.HIT:
        return CACHED
    error = outcome.error
    text = "" if error is None else one_line(error)
    if kind is Kind.ERROR:
        if type(error).__name__ == "CancelledRun":
            return Ending(S.CANCELLED, "Cancelled", text)
        return Ending(S.FAILED, "Failed", f"{type(error).__name__}: {text}")
    if kind is Kind.TIMEOUT:
        return Ending(S.FAILED, "TimedOut", text)
    if kind is Kind.UPSTREAM:
        return Ending(S.FAILED, "UpstreamFailed", text)
    if kind is Kind.STOP:
        return Ending(S.COMPLETED, "Skipped", getattr(error, "reason", "") or text)
    if kind is Kind.CANCEL:
        return Ending(S.CANCELLED, "Cancelled", cancel_reason(error))
    return Ending(S.CRASHED, "Crashed", text)


def _retry_message(attempt: int, last: int, outcome: Outcome, ending: Ending) -> str:
    return f"attempt {attempt} of {last + 1} ended {ending.name}: {ending.message}"


_AFTER = {S.COMPLETED: "on_completion", S.FAILED: "on_failure", S.CANCELLED: "on_cancellation", S.CRASHED: "on_crashed"}


def _hooks_after(options: RunOptions, outcome: Outcome) -> Brain:
    hooks = getattr(options, _AFTER[outcome.ending.type])
    if hooks:
        yield (HOOKS, hooks, outcome)
    return outcome
