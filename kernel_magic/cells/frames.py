"""Tracebacks as a person is to see them: their own lines, none of Headrace's."""

from __future__ import annotations

import sys
import types

from headrace.kernel_magic.engine.interrupt import OURS


def is_ours(filename: str) -> bool:
    """Return whether a file is part of Headrace."""
    return filename.startswith(OURS)


def hide_own_frames(error: BaseException | None) -> None:
    """Take our frames out of an error's traceback, and out of those of the errors behind it.

    An error that was raised by ourselves keeps the frames that lead to us.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kept = _without_ours(error.__traceback__)
        if kept is not None and kept is not error.__traceback__:
            error.__traceback__ = kept
            if error is sys.exc_info()[1] and hasattr(sys, "last_value") and sys.last_value is error:
                sys.last_traceback = kept
        error = error.__cause__ or error.__context__


def _without_ours(trace: types.TracebackType | None) -> types.TracebackType | None:
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    theirs = [entry for entry in entries if not is_ours(entry.tb_frame.f_code.co_filename)]
    if not theirs or len(theirs) == len(entries):
        return entries[0] if entries else None
    chain: types.TracebackType | None = None
    for entry in reversed(theirs):
        # An interrupt may land on an instruction that belongs to no line.
        line = entry.tb_lineno or entry.tb_frame.f_code.co_firstlineno
        chain = types.TracebackType(chain, entry.tb_frame, entry.tb_lasti, line)
    return chain


def own_traceback(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback from its first line outside Headrace on; as it is when it has none."""
    found = trace
    while found is not None and is_ours(found.tb_frame.f_code.co_filename):
        found = found.tb_next
    return found or trace


def one_line_error(error: Exception) -> Exception:
    """Have an error shown in one line, wherever it is raised: it is about an option, not about the cell's code."""
    error.headrace_lines = [f"{type(error).__name__}: {error}"]  # type: ignore[attr-defined]
    return error
