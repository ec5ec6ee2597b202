"""Errors as text: the user's frames, without the engine's."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from headrace.core.errors import one_line

#: Longest traceback that a run keeps, characters: its beginning and its end.
LONGEST = 16_000
_HERE = str(Path(__file__).parents[1])


def error_record(error: BaseException) -> dict[str, Any]:
    """Return `{type, message, traceback}` of an error.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    dict
        Text only, bounded; frames of the engine are left out.
    """
    return {"type": type(error).__name__, "message": one_line(error)[:2000], "traceback": traceback_text(error)}


def traceback_text(error: BaseException) -> str:
    """Return a bounded traceback without the engine's frames; of an error from another process, the one it had there."""
    there = getattr(error, "headrace_traceback", None)
    if isinstance(there, str):
        return there
    try:
        shown = traceback.TracebackException.from_exception(error, lookup_lines=True, compact=True)
        _strip(shown, set())
        text = "".join(shown.format())
    except Exception as failure:  # an exception whose own text fails must not fail the run's record
        text = f"{type(error).__name__} (its traceback could not be written: {type(failure).__name__})"
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 4]}\n… ({len(text)} characters) …\n{text[-(LONGEST * 3 // 4) :]}"
    return text


def _strip(shown: Any, seen: set[int]) -> None:
    """Leave the engine's frames out, in the error and in those it came from."""
    if shown is None or id(shown) in seen:
        return
    seen.add(id(shown))
    kept = [frame for frame in shown.stack if not _is_machinery(frame)]
    shown.stack = traceback.StackSummary.from_list(kept)
    for other in (shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())):
        _strip(other, seen)


def _is_machinery(frame: traceback.FrameSummary) -> bool:
    """Return whether a frame is the engine's, or IPython's that runs a cell's code."""
    return frame.filename.startswith(_HERE) or (
        frame.name == "run_code" and Path(frame.filename).parts[-3:] == ("IPython", "core", "interactiveshell.py")
    )
