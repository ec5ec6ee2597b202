"""Calling a body in this thread so that it can be interrupted, and only it."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

from headrace.core.errors import CancelSignal
from headrace.kernel_magic.engine.live import CANCELS, CURRENT, LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised

#: Held while a signal is put into a thread, and while a run that was signalled leaves its body.
INTERRUPTS = threading.RLock()
#: Rung when a run is asked to end: what sleeps between attempts wakes up.
BELL = threading.Condition()


class TimeoutSignal(BaseException):
    """Raised inside a body whose limit has passed; not an Exception, so that user code does not swallow it."""

    def __init__(self, run_id: str = "") -> None:
        super().__init__("the time limit has passed")
        self.run_id = run_id


def call(run: LiveRun, body: Callable[[], Any]) -> Outcome:
    """Call a run's body in this thread.

    While it runs, `run.handle` is this thread's id. Whoever wants to interrupt
    sets `cancel_reason` first and then looks at the handle; this side drops the
    handle first and then looks at the reason: no signal is left over for the
    code after the body.
    """
    token = CURRENT.set(run)
    try:
        outcome = _attempt(run, body)
        if CANCELS.asked and run.cancelled_above():
            swallow_late_signal(run)
            if outcome.kind is Kind.CANCEL and isinstance(outcome.error, CancelSignal):
                outcome.error = CancelSignal(run.reason_above())
    except (CancelSignal, TimeoutSignal) as error:  # it came while the body was just being left
        swallow_late_signal(run)
        outcome = Outcome(Kind.CANCEL, None, error)
    finally:
        CURRENT.reset(token)
    return outcome


def _attempt(run: LiveRun, body: Callable[[], Any]) -> Outcome:
    try:
        run.handle = threading.get_ident()
        if CANCELS.asked and run.cancelled_above():
            run.handle = None
            return Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))
        outcome = Outcome(Kind.VALUE, body())
        run.handle = None
    except BaseException as error:
        run.handle = None
        outcome = Outcome(Kind.CANCEL, None, error) if isinstance(error, TimeoutSignal) else raised(error)
    return outcome


def swallow_late_signal(run: LiveRun) -> None:
    """Leave the body for good: what was put into this thread and has not been raised yet is taken back."""
    run.handle = None
    for _ in range(2):  # it may be raised right here, once
        try:
            with INTERRUPTS:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
            return
        except (CancelSignal, TimeoutSignal):
            continue


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
    return Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))
