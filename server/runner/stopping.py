"""How a cell that runs is brought to an end: interrupt, wait, terminate, wait, kill."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headrace.server.kernels import Kernel
from headrace.server.runner.outcome import Ending

#: Between interrupt, SIGTERM and SIGKILL, seconds (DESIGN.md, "Cancel": runs in processes of their own).
GRACE_SECONDS = 5.0
#: A kernel drops an interrupt that comes before it has begun with the cell: it is waited for that long, seconds.
BEGIN_SECONDS = 1.0
#: From the message that a cell has begun to its first instruction, seconds.
_SETTLE_SECONDS = 0.02


class Stopper:
    """Ends what a kernel executes, because it is late or somebody asked.

    Parameters
    ----------
    kernel : Kernel
    has_begun : callable () → bool
        Whether the kernel has said that it executes the present cell.

    Attributes
    ----------
    ending : Ending or None
        Why no further cell runs.
    timed_out : bool
        The present cell passed its limit.
    """

    def __init__(self, kernel: Kernel, has_begun: Callable[[], bool]) -> None:
        self._kernel = kernel
        self._has_begun = has_begun
        self._busy = False
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self.ending: Ending | None = None
        self.timed_out = False

    def stop(self, ending: Ending, *, now: bool = False) -> None:
        """Run no further cell, and end the present one.

        Parameters
        ----------
        ending : Ending
            What the notebook becomes.
        now : bool, default False
            Kill the kernel without asking.
        """
        if self.ending is None:
            self.ending = ending
        self._asked.set()
        if self._busy or now:
            self._press(now=now)

    async def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until somebody asks for the end."""
        try:
            await asyncio.wait_for(self._asked.wait(), seconds)
        except asyncio.TimeoutError:
            pass

    @contextmanager
    def watching(self, limit_seconds: float | None) -> Iterator[None]:
        """Around the execution of a cell: end it after its limit."""
        self.timed_out = False
        self._busy = True
        timer = None
        if limit_seconds:
            timer = asyncio.get_running_loop().call_later(limit_seconds, self._late)
        if self.ending is not None:
            self._press()
        try:
            yield
        finally:
            self._busy = False
            if timer is not None:
                timer.cancel()
            if self._task is not None:
                self._task.cancel()
                self._task = None

    def _late(self) -> None:
        self.timed_out = True
        self._press()

    def _press(self, *, now: bool = False) -> None:
        if now and self._task is not None:
            self._task.cancel()
            self._task = None
        if self._task is None:
            self._task = asyncio.ensure_future(self._escalate(now=now))

    async def _escalate(self, *, now: bool) -> None:
        if not now:
            began = asyncio.get_running_loop().time()
            while not self._has_begun() and asyncio.get_running_loop().time() < began + BEGIN_SECONDS:
                await asyncio.sleep(_SETTLE_SECONDS)
            await asyncio.sleep(_SETTLE_SECONDS)
            await self._kernel.interrupt()
            await asyncio.sleep(GRACE_SECONDS)
            await self._kernel.signal(signal.SIGTERM)
            await asyncio.sleep(GRACE_SECONDS)
        await self._kernel.kill()

    def close(self) -> None:
        """Stop ending things."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
