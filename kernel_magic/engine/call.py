"""Calling a body in this thread so that it can be interrupted, and only it."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

from headrace.core.errors import CancelSignal
from headrace.kernel_magic.engine.live import CURRENT, LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised

#: Held while a signal is put into a thread, and while a run that was signalled leaves its body.
INTERRUPTS = threading.RLock()
#: Rung when a run is asked to end: what sleeps between attempts wakes up.
BELL = threading.Condition()


def call(run: LiveRun, body: Callable[[], Any]) -> Outcome:
    """Call a run's body in this thread.

    While it runs, `run.handle` is this thread's id. Whoever wants to interrupt
    sets `cancel_reason` first and then looks at the handle; this side drops the
    handle first and then looks at the reason: no signal is left over for the
    code after the body.
    """
    token = CURRENT.set(run)
    try:
        run.handle = threading.get_ident()
        if run.cancel_reason is not None:
            return Outcome(Kind.CANCEL, None, CancelSignal(run.cancel_reason))
        outcome = Outcome(Kind.VALUE, body())
        run.handle = None
    except BaseException as error:
        run.handle = None
        outcome = raised(error)
    if run.cancel_reason is not None:
        _swallow_late_signal(run)
    CURRENT.reset(token)
    return outcome


def _swallow_late_signal(run: LiveRun) -> None:
    try:
        run.handle = None
        with INTERRUPTS:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
    except CancelSignal:
        run.handle = None


def sleep(run: LiveRun, seconds: float) -> Outcome | None:
    """Sleep between attempts; a cancel ends it at once.

    Returns
    -------
    Outcome or None
        Why the run must end, None when it may go on.
    """
    import time

    deadline = time.monotonic() + seconds
    try:
        with BELL:
            while not run.cancelled_above():
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                BELL.wait(min(left, 3600.0))
    except (KeyboardInterrupt, CancelSignal) as error:
        return raised(error)
    return Outcome(Kind.CANCEL, None, CancelSignal(run.cancel_reason or "the run around it was cancelled"))
