"""The way out: what this process began is waited for, written, and its owner file removed."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable

_registered: int | None = None
_waits: list[Callable[[], None]] = []


def register() -> None:
    """Arrange the way out, once per process; called after the recorder's own, so that it runs before it."""
    global _registered
    if _registered != os.getpid():
        _registered = os.getpid()
        atexit.register(_leave, os.getpid())


def _end_cancelled() -> None:
    """End the runs that were asked to end and cannot: their bodies end with this process."""
    from headrace.core.errors import CancelSignal
    from headrace.core.states import TERMINAL, StateType
    from headrace.kernel_magic.engine.live import CANCELS, LIVE
    from headrace.kernel_magic.engine.outcome import Ending, Kind, Outcome

    if not CANCELS.asked:
        return
    for run in list(LIVE.values()):
        if run.cancelled_above() and run.state_type not in TERMINAL:
            reason = f"{run.reason_above()}; its process ended"
            outcome = Outcome(Kind.CANCEL, None, CancelSignal(reason))
            outcome.ending = Ending(StateType.CANCELLED, "Cancelled", reason)
            run.end(outcome)


class _Forked:
    """Stands for this module in multiprocessing's list of what is told of a fork."""


_FORKED = _Forked()


def _before_fork() -> None:
    """See that a child of `multiprocessing` writes what it recorded: it leaves without the interpreter's own exit."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _registered == os.getpid():
        util.register_after_fork(_FORKED, _write_at_exit)


def _write_at_exit(_: object) -> None:
    util = sys.modules["multiprocessing.util"]
    util.Finalize(None, _write, exitpriority=0)


def _write() -> None:
    from headrace.core.errors import StoreError
    from headrace.kernel_magic.engine import session

    here = session._session
    if here is not None:
        try:
            here.recorder.flush()
        except StoreError:  # the child ends; its parent finds its runs unfinished
            return


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


def before(wait: Callable[[], None]) -> None:
    """Call `wait` at the exit, before the records are written for the last time."""
    _waits.append(wait)


def _leave(pid: int) -> None:
    if pid != os.getpid():
        return
    for wait in _waits:
        wait()
    from headrace.kernel_magic.engine import session

    here = session._session
    if here is not None and here.pid == pid:
        _end_cancelled()
        from headrace.core.errors import StoreError
        from headrace.store import liveness

        try:
            here.recorder.flush()
        except StoreError:
            return  # the recorder's own exit tries once more, and warns
        liveness.release()
