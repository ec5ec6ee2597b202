"""What comes to a run through the store: a wish to cancel it, or somebody else's end of it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import StoreError
from headrace.core.states import TERMINAL, StateType
from headrace.server.runner.outcome import Ending, cancelled
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
