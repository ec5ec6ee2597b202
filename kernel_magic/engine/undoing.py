"""Where transactions meet the engine: whose a run is, what its end means for it, and how hooks are driven."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any

from headrace.core.states import ROLLED_BACK, StateType
from headrace.kernel_magic.engine.live import TRANSACTION, LiveRun

if TYPE_CHECKING:
    from headrace.kernel_magic.engine.outcome import Outcome
    from headrace.kernel_magic.transactions import Transaction

#: A commit or a rollback: it yields a hook and what to call it with, and is told the error that the hook raised.
Steps = Generator["tuple[Callable[..., Any], Transaction]", "Exception | None", bool]


def active(run: LiveRun | None) -> Transaction | None:
    """Return the transaction around code in `run`: the nearest block, or a task's own; None where there is none."""
    from headrace.kernel_magic.transactions import TransactionState

    found = TRANSACTION.get()
    if run is not None:
        own = own_of(run) if run.kind == "task" else run.transaction
        # A block that was entered inside the run is nearer than what the run itself stands in.
        if own is not None and (found is None or not inside(found, own)):
            found = own
    return found if found is not None and found.state is TransactionState.ACTIVE else None


def inside(node: Transaction | None, outer: Transaction) -> bool:
    """Return whether a transaction is `outer` or stands inside it."""
    while node is not None and node is not outer:
        node = node.parent
    return node is outer


def own_of(run: LiveRun) -> Transaction:
    """Return a task run's own transaction, made now if it has none."""
    from headrace.kernel_magic.transactions import Transaction

    around = run.transaction
    if around is None or around._run is not run:
        around = run.transaction = Transaction(parent=around, run=run)
    return around


def finished(run: LiveRun, outcome: Outcome) -> None:
    """Stage a task run that ended with the transaction around it; commit or undo it where there is none."""
    from headrace.kernel_magic.transactions import TransactionState

    node = own_of(run)
    around = node.parent
    if run.parent is not None and run.parent.kind == "task":
        enclosing = own_of(run.parent)
        if around is None or not inside(around, enclosing):
            around = node.parent = enclosing
    if outcome.ending.type is not StateType.COMPLETED:
        to_end(node._undo())
    elif around is not None and around.state is TransactionState.ACTIVE:
        node.state = TransactionState.STAGED
        around._children.append(node)
    else:
        to_end(node._keep())


def roll_back(run: LiveRun) -> None:
    """Rename a completed run to RolledBack and drop its stored result."""
    record = run.record
    if record is None or run.state_name == ROLLED_BACK:
        return
    run.state_name = ROLLED_BACK
    text = "undone with its transaction"
    run.session.recorder.change(record, StateType.COMPLETED.value, ROLLED_BACK, time.time_ns() // 1000, text)
    kept = run.decision.get("result") if isinstance(run.decision, dict) else None
    if kept and "storage" in kept:
        run.session.shelf.forget(kept["key"])


async def _awaited(result: Awaitable[Any]) -> object:
    return await result


async def to_end_async(steps: Steps, wait: Callable[[Any], Awaitable[object]] = _awaited) -> bool:
    """Drive a commit or a rollback from async code."""
    answer: Exception | None = None
    while True:
        try:
            hook, node = steps.send(answer)
        except StopIteration as done:
            return bool(done.value)
        answer = None
        try:
            result = hook(node)
            if inspect.isawaitable(result):
                await wait(result)
        except Exception as error:
            answer = error


def to_end(steps: Steps) -> bool:
    """Drive a commit or a rollback from sync code: async hooks are run to their end, so that nothing is awaited."""
    try:
        to_end_async(steps, _run_here).send(None)
    except StopIteration as done:
        return bool(done.value)
    raise AssertionError("a hook was awaited in sync code")


async def _run_here(result: Awaitable[Any]) -> object:
    from headrace.kernel_magic.engine.loops import run_to_end

    return run_to_end(result)
