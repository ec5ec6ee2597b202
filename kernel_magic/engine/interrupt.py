"""Interrupting a run's body, and nothing else.

A thread is interrupted only while the body of the run (or of one below it) is
on its stack and no record is being written there: its frames are looked at
first. Threads get an asynchronous exception, the main thread a signal too (a
system call that waits ends by it), async bodies `task.cancel()`, and what runs
elsewhere (child processes, a cluster) is stopped by its handle.

Ctrl-C (the kernel's interrupt, too) is heard at once in bodies and in waits. In
the midst of recording it would leave a run without its end, or be swallowed
with an error of the database that it broke: it waits until that is done.
"""

from __future__ import annotations

import _thread
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from headrace import core
from headrace.core.errors import CancelSignal
from headrace.kernel_magic.engine.call import INTERRUPTS, _attempt, sleep
from headrace.kernel_magic.engine.live import LIVE, LiveRun, current

#: Ignored by default, sent by hardly anything (Go's runtime uses it for the same purpose).
SIGNAL = getattr(signal, "SIGURG", None)

_BODY = _attempt.__code__
_HOUSES = (Path(core.__file__).parents[1], Path(__file__).parents[1])
#: The folders of our code, which an editable install leaves apart from each other, beside code that is not ours.
OURS = tuple(f"{house}{os.sep}" for house in _HOUSES)
_STORE, _ENGINE = str(_HOUSES[0] / "store"), Path(__file__).parent
#: Code in these places must not be interrupted half-way: a run would be left without its end, or a record half-written.
_SHIELDED = (_STORE, str(_ENGINE))
#: Where Ctrl-C waits: a stack is at such work if this is the innermost of our code on it, a body or a wait aside.
_WORK = (
    _STORE,
    *(str(_ENGINE / f"{name}.py") for name in ("call", "common", "interrupt", "live", "outcome", "sync")),
    str(_ENGINE.parent / "cells" / "capture.py"),
)
_WAIT = sleep.__code__
#: Ctrl-C that came at such a moment comes again after this long, seconds, …
_AGAIN = 0.01
#: … and after this long it is heard wherever it finds us, seconds: a store that is locked is no reason to hang.
_LONGEST = 2.0
_listening = False


class _KeyboardInterrupts:
    """Ctrl-C while the main thread moves a run on."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._lock = threading.Lock()

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Hear Ctrl-C in the block where nothing is lost by it, at the latest at the block's end.

        Only where Python's own handler stands, which raises KeyboardInterrupt: whoever has set another one knows why.
        """
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return
        signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            yield
        finally:
            came = self._taken()  # nothing is sent again after this; what was sent just before is taken below
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self._taken() or came:
                raise KeyboardInterrupt

    def _taken(self) -> bool:
        with self._lock:
            came, self._since = self._since is not None, None
        return came

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if at_work(frame) and (self._since is None or now - self._since < _LONGEST):
            if self._since is None:
                self._since = now
            # Not by `threading`, whose locks the main thread may be holding just now.
            _thread.start_new_thread(self._send_again, ())
            return
        self._since = None
        signal.default_int_handler(number, frame)

    def _send_again(self) -> None:
        time.sleep(_AGAIN)
        with self._lock:
            if self._since is None:
                return
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            else:
                _thread.interrupt_main()


KEYBOARD = _KeyboardInterrupts()


def at_work(frame: FrameType | None) -> bool:
    """Return whether a stack is where an interrupt would leave a record unwritten."""
    innermost = frame
    while frame is not None:
        code = frame.f_code
        if code is _BODY or code is _WAIT:
            return frame is innermost  # else it is the user's code, or a wait, that is interrupted
        if code.co_filename == logging.__file__:  # it would keep the lock of a handler, for which all others wait then
            return True
        if code.co_filename.startswith(OURS):
            return code.co_filename.startswith(_WORK)
        frame = frame.f_back
    return False


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
