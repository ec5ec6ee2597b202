"""Limits that hold: in the main thread by an alarm, elsewhere by leaving the body behind, or by killing its process."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import CancelSignal
from headrace.core.events import RUN_UPDATED
from headrace.core.states import StateType
from headrace.kernel_magic.engine.call import INTERRUPTS, TimeoutSignal, call, swallow_late_signal
from headrace.kernel_magic.engine.interrupt import in_body
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, timed_out

#: When an alarm finds the engine at work rather than a body it comes again after this long, seconds.
_AGAIN = 0.005


def call_limited(run: LiveRun, body: Callable[[], Any]) -> Outcome:
    """Call a body within its run's limit.

    In the main thread an alarm interrupts it (system calls too). In other
    threads the body runs in a daemon thread of its own, which is left behind
    when the limit passes; an exception is put into it, so that Python code
    ends. With `isolation="process"` it runs in a process, which is killed.
    """
    limit = run.options.timeout_seconds
    if getattr(run.options, "isolation", None) == "process":
        from headrace.kernel_magic.runners.children import call_in_own_process

        return call_in_own_process(run, body, limit)
    assert limit is not None
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        return ALARMS.call(run, body, limit)
    return call_aside(run, body, limit)


class Alarms:
    """The main thread's limits: the nearest one holds the process's only alarm.

    An alarm that somebody else had set (a test's time limit, say) is kept: it
    goes off when it is due, and stands again afterwards.
    """

    def __init__(self) -> None:
        self._limits: list[tuple[float, LiveRun]] = []
        self._passed: set[str] = set()
        self._foreign: tuple[Any, float | None, float] = (signal.SIG_DFL, None, 0.0)

    def call(self, run: LiveRun, body: Callable[[], Any], limit: float) -> Outcome:
        """Call a body in the main thread within a limit, in seconds."""
        if not self._limits:
            left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
            due = time.monotonic() + left if left else None
            self._foreign = (signal.signal(signal.SIGALRM, self._on_alarm), due, interval)
        self._limits.append((time.monotonic() + limit, run))
        self._arm()
        try:
            outcome = call(run, body)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._limits.pop()
            if self._limits:
                self._arm()
            else:
                self._restore()
        if run.id in self._passed:
            self._passed.discard(run.id)
            return timed_out(f"{run.kind} run {run.name!r}", limit)
        return outcome

    def _arm(self, at_least: float = 0.0001) -> None:
        due = min(deadline for deadline, _ in self._limits)
        if self._foreign[1] is not None:
            due = min(due, self._foreign[1])
        signal.setitimer(signal.ITIMER_REAL, max(at_least, due - time.monotonic()))

    def _restore(self) -> None:
        handler, due, interval = self._foreign
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if due is not None:
            signal.setitimer(signal.ITIMER_REAL, max(0.0001, due - time.monotonic()), interval)

    def _on_alarm(self, number: int, frame: Any) -> None:
        handler, foreign_due, interval = self._foreign
        now = time.monotonic()
        if foreign_due is not None and now >= foreign_due:
            self._foreign = (handler, now + interval if interval else None, interval)
            if callable(handler):
                handler(number, frame)
        for deadline, run in self._limits:
            if now >= deadline:
                if in_body(frame):
                    self._passed.add(run.id)
                    # A body that swallows this one meets it again.
                    signal.setitimer(signal.ITIMER_REAL, 1.0)
                    raise TimeoutSignal(run.id)
                break
        if self._limits:
            self._arm(at_least=_AGAIN)


ALARMS = Alarms()


class LeftBehind:
    """A body whose limit has passed and that still runs.

    Parameters
    ----------
    run : LiveRun
    """

    def __init__(self, run: LiveRun) -> None:
        self.ended = threading.Event()
        self.outcome: Outcome | None = None
        self.attempt = run.attempt
        self.over = False
        self.left = False

    def interrupt(self, ident: int | None) -> None:
        """Put an exception into the body's thread, once it is in user code; give up after a quarter of a second."""
        for _ in range(50):
            with INTERRUPTS:
                if self.left or ident is None:
                    return
                if in_body(sys._current_frames().get(ident)):
                    exception = ctypes.py_object(TimeoutSignal)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), exception)
                    return
            time.sleep(_AGAIN)

    def leave(self, run: LiveRun) -> None:
        """Say, in the body's thread, that there is nothing left to interrupt."""
        with INTERRUPTS:
            self.left = True
        swallow_late_signal(run)

    def tell(self, run: LiveRun) -> None:
        """Record that the body has ended at last; what it returned is kept as text and never given out."""
        if not self.over:
            return
        from headrace.store.rows import dumps

        outcome = self.outcome
        late: dict[str, Any] = {"attempt": self.attempt, "at": SYSTEM_CLOCK.now_us()}
        if outcome is not None and outcome.kind is Kind.VALUE:
            from headrace.kernel_magic.previews import result_picture

            late["result"] = result_picture(outcome.value)
        elif outcome is not None and outcome.error is not None:
            late["error"] = f"{type(outcome.error).__name__}: {outcome.error}"
        run.extra = {**(run.extra or {}), "body_running": False, "late": late}
        if run.record is not None:
            run.session.recorder.change(
                run.record,
                (run.state_type or StateType.RUNNING).value,
                run.state_name,
                SYSTEM_CLOCK.now_us(),
                patch={"details": {**run.definition.details, **run.extra}},
                kind=RUN_UPDATED,
                payload=dumps({"late": late}),
            )


def call_aside(run: LiveRun, body: Callable[[], Any], limit: float) -> Outcome:
    """Call a body in a daemon thread of its own, and leave it behind when its limit passes.

    The attempt before may have left one behind: this one waits for that to end.
    """
    from headrace.kernel_magic.futures import wait_event

    before: LeftBehind | None = run.left
    if before is not None and not before.ended.is_set():
        while not before.ended.wait(0.2):
            if run.cancelled_above():
                break
    mine = LeftBehind(run)
    context = copy_context()

    def work() -> None:
        try:
            mine.outcome = context.run(call, run, body)
            mine.leave(run)
        except (CancelSignal, TimeoutSignal):
            mine.leave(run)
        mine.ended.set()
        mine.tell(run)

    thread = threading.Thread(target=work, name="headrace-timed", daemon=True)
    thread.start()
    if wait_event(mine.ended, limit):
        if mine.outcome is not None:
            return mine.outcome
        return timed_out(f"{run.kind} run {run.name!r}", limit)
    mine.over = True
    run.left = mine
    run.details(body_running=True)
    mine.interrupt(thread.ident)
    return timed_out(f"{run.kind} run {run.name!r}", limit)


def keep_place(run: LiveRun) -> None:
    """Stay in this thread until a body that was left behind has ended: it keeps its place in the pool."""
    if run.left is not None:
        run.left.ended.wait()
