"""Runs inside runs without end are told so while they can still be recorded."""

from __future__ import annotations

import sys

from headrace.core.errors import UsageError

#: Frames that ten more runs inside one another and the writing of their records take at most (measured: 10 each, and 60).
STACK_LEFT = 250


def check_depth(depth: int, deepest: int, what: str) -> None:
    """Refuse a run that lies too deep.

    Parameters
    ----------
    depth : int
        How many runs are around it.
    deepest : int
        How many may be (`HEADRACE_MAX_DEPTH`).
    what : str
        The run, for the message.

    Raises
    ------
    UsageError
        Too many, or what is left of Python's stack might not do for recording it.
    """
    if depth <= deepest:
        frame, count = sys._getframe(), 0
        while frame.f_back is not None:
            frame, count = frame.f_back, count + 1
        if count <= sys.getrecursionlimit() - STACK_LEFT:
            return
        limit = f"Python's recursion limit ({sys.getrecursionlimit()} calls) has no room for more"
    else:
        limit = f"at most {deepest} are allowed, HEADRACE_MAX_DEPTH raises the limit"
    raise UsageError(
        f"{what} would be run number {depth + 1} inside one another ({limit}). Does a flow or task call itself without end?"
    )
