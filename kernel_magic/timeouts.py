"""Limits that hold: in the main thread by an alarm, elsewhere by leaving the body behind."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from headrace.kernel_magic.engine.call import call
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, timed_out


class TimeoutSignal(BaseException):
    """Raised inside a body whose limit has passed; not an Exception, so that user code does not swallow it."""

    def __init__(self, run_id: str = "") -> None:
        super().__init__("the run's time limit has passed")
        self.run_id = run_id


def call_limited(run: LiveRun, body: Callable[[], Any]) -> Outcome:
    """Call a body within its run's limit.

    In the main thread an alarm interrupts it (system calls too). In other
    threads the body runs in a daemon thread of its own, which is left behind
    when the limit passes; an exception is put into it, so that Python code ends.
    """
    limit = run.options.timeout_seconds
    assert limit is not None
    main = threading.current_thread() is threading.main_thread()
    if main and hasattr(signal, "setitimer"):
        return _call_with_alarm(run, body, limit)
    return _call_aside(run, body, limit)


def _call_with_alarm(run: LiveRun, body: Callable[[], Any], limit: float) -> Outcome:
    passed = False

    def on_alarm(_signal: int, _frame: Any) -> None:
        nonlocal passed
        passed = True
        raise TimeoutSignal(run.id)

    before = signal.signal(signal.SIGALRM, on_alarm)
    started = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        outcome = call(run, body)
    except TimeoutSignal:
        outcome = Outcome(Kind.ERROR)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # an outer limit: it goes on, at the earliest at once
            remaining = max(0.001, left - (time.monotonic() - started))
            signal.setitimer(signal.ITIMER_REAL, remaining, interval)
    return timed_out(f"{run.kind} run {run.name!r}", limit) if passed else outcome


def _call_aside(run: LiveRun, body: Callable[[], Any], limit: float) -> Outcome:
    from headrace.kernel_magic.futures import wait_event

    found: list[Outcome] = []
    ended = threading.Event()
    context = copy_context()

    def work() -> None:
        try:
            found.append(context.run(call, run, body))
        except TimeoutSignal:
            pass
        finally:
            ended.set()

    thread = threading.Thread(target=work, name="headrace-timed", daemon=True)
    thread.start()
    if wait_event(ended, limit) and found:
        return found[0]
    if thread.ident is not None and not ended.is_set():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeoutSignal))
    return timed_out(f"{run.kind} run {run.name!r}", limit)
