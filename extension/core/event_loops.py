"""Whether an event loop runs: what may block a script may not block a notebook's cell."""

from __future__ import annotations

import asyncio


def loop_runs() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
