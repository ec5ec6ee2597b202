"""What comes to a run from outside: a wish to cancel it in the store, and signals to its process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import StoreError
from headrace.core.states import TERMINAL, StateType
from headrace.server.runner.outcome import Ending
from headrace.store.liveness import HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from headrace.server.runner.recording import Recording
    from headrace.server.runner.runner import NotebookRunner

#: How often the store is looked at, seconds (DESIGN.md, "Order and wake-up").
LOOK_SECONDS = 0.25


class Watch:
    """A thread that looks at the run in the store: is it to be cancelled, has somebody else ended it.

    Parameters
    ----------
    runner : NotebookRunner
    recording : Recording
    loop : asyncio loop
        Of the run.
    """

    def __init__(self, runner: NotebookRunner, recording: Recording, loop: asyncio.AbstractEventLoop) -> None:
        self._runner = runner
        self._recording = recording
        self._loop = loop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="headrace-watch", daemon=True)

    def start(self) -> None:
        """Begin to look, if that was not done before."""
        if not self._thread.is_alive():
            self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        store, run_id = self._recording.store, self._recording.run.id
        database = store.database
        known = None
        beat = SYSTEM_CLOCK.monotonic()
        while not self._over.wait(LOOK_SECONDS):
            try:
                version = database.data_version() if database.dialect == "sqlite" else None
                if version is None or version != known:
                    known = version
                    self._look(run_id)
                if SYSTEM_CLOCK.monotonic() - beat > HEARTBEAT_SECONDS:
                    beat = SYSTEM_CLOCK.monotonic()
                    self._recording.patch(columns={"heartbeat_at": store.clock.now_us()})
            except StoreError:
                continue  # locked or away for now: the recorder keeps what there is to say

    def _look(self, run_id: str) -> None:
        run = self._recording.store.runs.find(run_id)
        if run is None or run.state_type in TERMINAL or run.attempt > self._recording.attempt:
            ending = Ending(
                state_type=StateType.CANCELLED,
                state_name="Cancelled",
                message="Another process has ended this run.",
                rest="NotRun",
            )
        elif run.state_type is StateType.CANCELLING:
            ending = cancelled(run.state_message or "cancelled")
        else:
            return
        self._loop.call_soon_threadsafe(self._runner.request_stop, ending)


def cancelled(message: str, *, interrupted: bool = False) -> Ending:
    """Return how a run ends that somebody cancelled."""
    return Ending(
        state_type=StateType.CANCELLED,
        state_name="Cancelled",
        message=message,
        rest="NotRun",
        interrupted=interrupted,
    )


@contextmanager
def signals(runner: NotebookRunner, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into the run's end while the block runs (main thread only).

    The first SIGINT interrupts the cell, a second one or SIGTERM kills the kernel: both record what was done.
    """
    if threading.current_thread() is not threading.main_thread() or os.name == "nt":
        yield
        return
    counts = {"interrupts": 0}

    def interrupt() -> None:
        counts["interrupts"] += 1
        runner.request_stop(cancelled("interrupted from the terminal", interrupted=True), now=counts["interrupts"] > 1)

    def terminate() -> None:
        runner.request_stop(cancelled("the runner was asked to leave (SIGTERM)"), now=True)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
