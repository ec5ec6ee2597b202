"""Keeps the output file no older than its rule says, while the cells run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from headrace.core.run_spec import NotebookSpec
from headrace.server.output_file import OutputFile, OutputUnwritable

if TYPE_CHECKING:
    from headrace.server.runner.observer import Observer
    from headrace.server.runner.recording import Recording

#: How often it is looked whether a save is due, seconds.
LOOK_SECONDS = 0.5
#: After a save that failed the next one is tried so much later, seconds.
FAILED_SECONDS = 2.0


@asynccontextmanager
async def saving(
    notebook: Any, file: OutputFile, recording: Recording, observer: Observer, spec: NotebookSpec
) -> AsyncIterator[None]:
    """Save in the background while the block runs; no save is under way when it is left.

    Parameters
    ----------
    notebook : nbformat notebook
    file : OutputFile
    recording : Recording
        For the warning when the file cannot be written.
    observer : Observer
    spec : NotebookSpec
    """
    if not (spec.save_on_cell and file.saves_as_it_goes):
        yield
        return
    saver = asyncio.ensure_future(_save(notebook, file, recording, observer))
    try:
        yield
    finally:
        saver.cancel()
        await asyncio.gather(saver, return_exceptions=True)


async def _save(notebook: Any, file: OutputFile, recording: Recording, observer: Observer) -> None:
    loop = asyncio.get_running_loop()
    warned = False
    while True:
        wait = file.due_in()
        if wait is None or wait > 0:
            await asyncio.sleep(LOOK_SECONDS if wait is None else min(wait, LOOK_SECONDS))
            continue
        plan = file.plan(notebook)
        writing = loop.run_in_executor(None, file.write, plan)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The last save follows: two writers at once would spoil each other's notes of what stands where.
            await asyncio.gather(writing, return_exceptions=True)
            raise
        except OutputUnwritable as error:
            if not warned:
                warned = True
                recording.log(None, 30, "headrace", str(error))
                observer.warned(str(error))
            await asyncio.sleep(FAILED_SECONDS)
        else:
            file.commit(plan)
