"""Where the engine meets stored results and limits by tag; loaded only for runs that ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from headrace.core.states import StateType
from headrace.kernel_magic.engine.brain import Op, Step
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome

#: How long the answer to "which of these tags have a limit?" is believed, seconds.
BELIEVED_SECONDS = 0.5

_limited: dict[tuple[str, ...], tuple[float, set[str]]] = {}


def obey(run: LiveRun, step: Step) -> Any:
    """Do a step that has to do with results, limits or people."""
    if step[0] is Op.ACQUIRE:
        return acquire(run)
    if step[0] is Op.SUSPEND:
        from headrace.kernel_magic.pausing import suspended

        return suspended(run, step[1].ending.message)
    from headrace.kernel_magic.results import keeper

    return keeper.lookup(run) if step[0] is Op.LOOKUP else keeper.keep(run, step[1])


def acquire(run: LiveRun) -> Outcome | None:
    """Take a slot of every limit that one of the run's tags has; wait as AwaitingConcurrencySlot where none is free.

    Returns
    -------
    Outcome or None
        Why the run must end, None when it may go on.
    """
    import time

    from headrace.core.errors import CancelSignal, InvalidOption

    if not run.tags:
        return None
    asked = tuple(f"tag:{tag}" for tag in run.tags)
    seen = _limited.get(asked)
    if seen is None or time.monotonic() - seen[0] > BELIEVED_SECONDS:
        seen = _limited[asked] = (time.monotonic(), run.session.shelf.limited(asked))
    names = sorted(seen[1])
    if not names:
        return None
    tries, let_go = _slots(run, names)
    waited = False
    try:
        for pause in tries:
            if run.cancelled_above():
                return Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))
            if not waited:
                waited = True
                run.move(StateType.SCHEDULED, "AwaitingConcurrencySlot", f"waits for a slot of {', '.join(names)}")
            time.sleep(pause)
    except InvalidOption as error:
        return Outcome(Kind.ERROR, None, error)
    run.hold(let_go())
    return None


def _slots(run: LiveRun, names: list[str]) -> tuple[Iterator[float], Callable[[], Callable[[], None]]]:
    """Return the tries to take a slot of each limit, and what returns, once they are taken, how to let go of them."""
    store, shelf = run.session.store, run.session.shelf
    if store is None:
        from headrace.kernel_magic.results.shelf import until_slots_taken

        key = f"slots of {run.id}"
        return until_slots_taken(shelf, key, run.id, names), lambda: partial(shelf.give_back, key)
    from headrace.kernel_magic import concurrency

    slots: list[str] = []
    tries = concurrency.acquire(store, names, 1, None, None, concurrency.LEASE_SECONDS, False, slots, run_id=run.id)
    return tries, lambda: concurrency.holding(store, slots)


async def obey_async(run: LiveRun, step: Step) -> Any:
    """Do a step that has to do with results or limits, without holding up the loop for long."""
    import asyncio

    if step[0] is Op.ACQUIRE and not run.tags:
        return None
    return await asyncio.get_running_loop().run_in_executor(None, obey, run, step)
