"""Signals that end a run: Ctrl-C at a terminal, SIGTERM of whoever started the process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.server.runner.runner import NotebookRunner


class Signals(Enum):
    """Which signals end a run."""

    NONE = "none"
    INTERRUPT = "interrupt"
    ALL = "all"


_AT_TERMINAL = "interrupted from the terminal"


@contextmanager
def signals(runner: NotebookRunner, loop: asyncio.AbstractEventLoop, which: Signals) -> Iterator[None]:
    """Turn signals into the run's end while the block runs; in the main thread only.

    The first SIGINT interrupts the cell, a second one or SIGTERM kills the kernel: both record what was done.
    One run at a time: an event loop has one handler a signal.
    """
    main = threading.current_thread() is threading.main_thread()
    if which is Signals.NONE or not main or os.name == "nt":
        yield
        return
    from headrace.server.runner.outcome import cancelled

    counts = {"interrupts": 0}

    def interrupt() -> None:
        counts["interrupts"] += 1
        # A run of a worker is interrupted by the worker, for somebody who has cancelled it.
        asked = cancelled("cancelled") if runner.is_taken_over else cancelled(_AT_TERMINAL, interrupted=True)
        runner.request_stop(asked, now=counts["interrupts"] > 1)

    def terminate() -> None:
        runner.request_stop(cancelled("the runner was asked to leave (SIGTERM)"), now=True)

    wanted = {signal.SIGINT: interrupt, **({signal.SIGTERM: terminate} if which is Signals.ALL else {})}
    before = {number: signal.getsignal(number) for number in wanted}
    for number, act in wanted.items():
        loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
