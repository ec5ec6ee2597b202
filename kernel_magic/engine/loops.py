"""Event loops: one in a thread of its own for submitted async tasks, and the ways into it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.core.event_loops import loop_runs

if TYPE_CHECKING:
    from headrace.kernel_magic.futures import TaskFuture
    from headrace.kernel_magic.runners.job import Job

T = TypeVar("T")

_lock = threading.Lock()
_loop: tuple[int, asyncio.AbstractEventLoop] | None = None


def task_loop() -> asyncio.AbstractEventLoop:
    """Return the loop on which this process runs submitted async tasks; its thread is a daemon."""
    global _loop
    with _lock:
        if _loop is None or _loop[0] != os.getpid() or _loop[1].is_closed():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=_serve, args=(loop,), name="headrace-loop", daemon=True)
            thread._headrace_run = None  # type: ignore[attr-defined]
            thread.start()
            _loop = (os.getpid(), loop)
        return _loop[1]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


_running: set[asyncio.Task[Any]] = set()


def start_on_loop(job: Job) -> None:
    """Run a submitted async task on the process's loop for tasks."""
    from headrace.kernel_magic.engine.asynchronous import drive_job

    loop = task_loop()

    def start() -> None:
        task = loop.create_task(drive_job(job))
        _running.add(task)  # the loop itself holds tasks weakly only
        task.add_done_callback(_running.discard)

    loop.call_soon_threadsafe(start, context=job.context)


def run_to_end(awaitable: Awaitable[T]) -> T:
    """Await something from sync code, whether or not a loop runs in this thread."""

    async def wait() -> T:
        return await awaitable

    if not loop_runs():
        return asyncio.run(wait())
    return asyncio.run_coroutine_threadsafe(wait(), task_loop()).result()


async def await_future(future: TaskFuture[T]) -> T:
    """Await a submitted run without holding up the loop."""
    future._looked_at = True
    await ended(future)
    return future.result()


async def ended(future: TaskFuture[Any]) -> None:
    """Await the end of a submitted run."""
    if future.done():
        return
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def tell(_: Any) -> None:
        try:
            loop.call_soon_threadsafe(event.set)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
            pass

    future._when_done(tell)
    await event.wait()
