"""One thread that waits for all: retries that come later."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from headrace.core.errors import CancelSignal
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome

#: Without anything to wait for the thread ends after this long, seconds.
IDLE_SECONDS = 30.0


class Timers:
    """Calls things later.

    A waiting run that is asked to end is called at once, with the outcome.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, LiveRun, Callable[[Any], None]]] = []
        self._changed = threading.Condition()
        self._count = itertools.count()
        self._running = False

    def add(self, seconds: float, run: LiveRun, go_on: Callable[[Any], None]) -> None:
        """Call `go_on(None)` after `seconds`, or `go_on(outcome)` when the run is cancelled before."""
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._count), run, go_on))
            if not self._running:
                self._running = True
                thread = threading.Thread(target=self._work, name="headrace-timers", daemon=True)
                thread._headrace_run = None  # type: ignore[attr-defined]
                thread.start()
            self._changed.notify()

    def look(self) -> None:
        """Look at once for runs that were asked to end."""
        with self._changed:
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                due = self._take()
                if not due:
                    left = self._heap[0][0] - time.monotonic() if self._heap else IDLE_SECONDS
                    if not self._changed.wait(max(0.0, left)) and not self._heap:
                        self._running = False
                        return
                    continue
            for go_on, answer in due:
                go_on(answer)

    def _take(self) -> list[tuple[Callable[[Any], None], Outcome | None]]:
        now = time.monotonic()
        due: list[tuple[Callable[[Any], None], Outcome | None]] = []
        kept = []
        for item in self._heap:
            at, _, run, go_on = item
            if run.cancelled_above():
                due.append((go_on, Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))))
            elif at <= now:
                due.append((go_on, None))
            else:
                kept.append(item)
        if due:
            self._heap = kept
            heapq.heapify(self._heap)
        return due


_timers: tuple[int, Timers] | None = None


def timers() -> Timers:
    """Return this process's timers."""
    global _timers
    if _timers is None or _timers[0] != os.getpid():
        _timers = (os.getpid(), Timers())
    return _timers[1]
