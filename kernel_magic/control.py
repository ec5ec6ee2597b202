"""Cancelling runs of this process."""

from __future__ import annotations

from headrace.kernel_magic.engine.call import BELL
from headrace.kernel_magic.engine.live import LiveRun


def watch() -> None:
    """Watch the store for runs of this process that somebody asked to end."""


def cancel(run: LiveRun, reason: str) -> None:
    """Ask a run of this process to end."""
    run.cancel_reason = reason
    with BELL:
        BELL.notify_all()
