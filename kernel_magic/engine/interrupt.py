"""Interrupting a run's body, and nothing else.

A thread is interrupted only while the body of the run (or of one below it) is
on its stack and no record is being written there: its frames are looked at
first. Threads get an asynchronous exception, the main thread a signal too (a
system call that waits ends by it), async bodies `task.cancel()`, and what runs
elsewhere (child processes, a cluster) is stopped by its handle.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from headrace.core.errors import CancelSignal
from headrace.kernel_magic.engine.call import INTERRUPTS, _attempt
from headrace.kernel_magic.engine.live import LIVE, LiveRun, current

#: Ignored by default, sent by hardly anything (Go's runtime uses it for the same purpose).
SIGNAL = getattr(signal, "SIGURG", None)

_BODY = _attempt.__code__
_HOUSE = Path(__file__).parents[2]
#: Code in these places must not be interrupted half-way: a run would be left without its end, or a record half-written.
_SHIELDED = (str(_HOUSE / "store"), str(_HOUSE / "kernel_magic" / "engine"))
_listening = False


def listen() -> None:
    """Install the main thread's handler, once, when called in the main thread."""
    global _listening
    if _listening or SIGNAL is None or threading.current_thread() is not threading.main_thread():
        return
    _listening = True
    if signal.getsignal(SIGNAL) in (signal.SIG_DFL, signal.SIG_IGN, None):
        signal.signal(SIGNAL, _on_signal)


def _on_signal(_number: int, frame: FrameType | None) -> None:
    """Raise in the main thread, if the body of a cancelled run is what it executes."""
    run = current()
    if run is not None and run.cancelled_above() and in_body(frame):
        raise CancelSignal(run.cancel_reason or "the run around it was cancelled")


def in_body(frame: FrameType | None) -> bool:
    """Return whether a stack is inside a run's body and nowhere that must not be interrupted."""
    innermost = frame
    while frame is not None:
        code = frame.f_code
        if code is _BODY:
            return frame is not innermost  # else the body is being entered or left
        if code.co_filename.startswith(_SHIELDED) or "sqlalchemy" in code.co_filename:
            return False
        frame = frame.f_back
    return False


def interrupt(run: LiveRun) -> bool:
    """Interrupt a run and everything below it.

    Returns
    -------
    bool
        Whether each of its bodies could be reached; else the caller tries again soon.
    """
    threads: set[int] = set()
    tasks: dict[int, tuple[Any, Any]] = {}
    others = []
    for other in list(LIVE.values()):
        handle = other.handle
        if handle is None or not other.is_within(run):
            continue
        if isinstance(handle, int):
            threads.add(handle)
        elif isinstance(handle, tuple):
            tasks[id(handle[1])] = handle
        else:
            others.append((other, handle))
    for other, handle in others:
        handle.interrupt(other, run.cancel_reason or "cancelled")
    reached = [_interrupt_thread(ident, run) for ident in threads]
    if not threads:
        for loop, task in tasks.values():
            try:
                loop.call_soon_threadsafe(_cancel_task, run, task)
            except RuntimeError:  # the loop is closed: nothing runs in it any more
                continue
    return all(reached) and bool(threads or tasks or others)


def _cancel_task(run: LiveRun, task: Any) -> None:
    """Cancel an async body, called in its loop: only if it is still a body."""
    for other in list(LIVE.values()):
        handle = other.handle
        if isinstance(handle, tuple) and handle[1] is task and other.is_within(run):
            task.cancel()
            return


def _interrupt_thread(ident: int, run: LiveRun) -> bool:
    with INTERRUPTS:
        if not in_body(sys._current_frames().get(ident)):
            return False
        if not any(other.handle == ident and other.is_within(run) for other in list(LIVE.values())):
            return False
        if ident == threading.main_thread().ident and SIGNAL is not None and signal.getsignal(SIGNAL) is _on_signal:
            signal.pthread_kill(ident, SIGNAL)
        else:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(CancelSignal))
    return True


def waits_for(run: LiveRun) -> str:
    """Return what the end of a cancelled run waits for, in words."""
    held = [other for other in list(LIVE.values()) if other.handle is not None and other.is_within(run)]
    names = ", ".join(sorted(f"{other.kind} run {other.name!r}" for other in held if other.handle is not None)[:3])
    return f"a call that cannot be interrupted, in {names}" if names else "its clean-up"
