"""Where the engine meets what is built beside it: stored results, and limits by tag.

`headrace.kernel_magic.results` offers `lookup(run) -> Outcome | None` and
`keep(run, outcome) -> Outcome`; `headrace.kernel_magic.concurrency` offers
`acquire(run) -> Outcome | None` and `release(run)`. They are loaded only for
runs that ask for them.
"""

from __future__ import annotations

from typing import Any

from headrace.kernel_magic.engine.brain import Op, Step
from headrace.kernel_magic.engine.live import LiveRun


def obey(run: LiveRun, step: Step) -> Any:
    """Do a step that has to do with results or limits."""
    return None


async def obey_async(run: LiveRun, step: Step) -> Any:
    """Do a step that has to do with results or limits, without holding up the loop for long."""
    import asyncio

    if step[0] is Op.ACQUIRE and not run.tags:
        return None
    return await asyncio.get_running_loop().run_in_executor(None, obey, run, step)
