"""What became of an attempt, and how a run ends: plain values between brain and drivers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from headrace.core.errors import (
    CancelSignal,
    CrashedRun,
    PausedRun,
    StopSignal,
    SuspendSignal,
    TaskTimeout,
    UpstreamFailed,
    one_line,
)
from headrace.core.states import State, StateType


class Kind(Enum):
    """What became of an attempt."""

    VALUE = "value"  # the body returned
    HIT = "hit"  # a stored result stands for it
    ERROR = "error"  # the body raised
    TIMEOUT = "timeout"  # its limit passed
    CANCEL = "cancel"  # somebody asked it to end
    STOP = "stop"  # it asked to be skipped
    UPSTREAM = "upstream"  # what it depends on did not complete
    CRASH = "crash"  # the process under it died
    SUSPEND = "suspend"  # it gives its process up until a person answers


class Ending(NamedTuple):
    """The state that a run ends in."""

    type: StateType
    name: str
    message: str = ""


COMPLETED = Ending(StateType.COMPLETED, "Completed")
CACHED = Ending(StateType.COMPLETED, "Cached")


class Outcome:
    """What became of an attempt.

    Parameters
    ----------
    kind : Kind
    value : object, default None
        What the body returned.
    error : BaseException or None, default None
        What it raised.
    """

    __slots__ = ("ending", "error", "found", "ignored", "kind", "value")

    def __init__(self, kind: Kind, value: Any = None, error: BaseException | None = None) -> None:
        self.kind = kind
        self.value = value
        self.error = error
        #: The state that the run ends in, set by the brain.
        self.ending: Ending = COMPLETED
        #: States found in the value, and failed runs that nothing looked at (set when a flow settles).
        self.found: Sequence[State] = ()
        self.ignored: Sequence[State] = ()


def raised(error: BaseException) -> Outcome:
    """Return the outcome of a body that raised."""
    if isinstance(error, StopSignal):
        return Outcome(Kind.STOP, Skipped(error.reason), error)
    if isinstance(error, SuspendSignal):
        return Outcome(Kind.SUSPEND, None, PausedRun(f"The run is suspended: it {error.reason}."))
    if isinstance(error, CancelSignal | KeyboardInterrupt) or type(error).__name__ == "CancelledError":
        return Outcome(Kind.CANCEL, None, error)
    return Outcome(Kind.ERROR, None, error)


def cancel_reason(error: BaseException | None) -> str:
    """Return who asked a run to end, in words."""
    if isinstance(error, CancelSignal):
        return error.reason
    if isinstance(error, KeyboardInterrupt):
        return "interrupted (Ctrl-C, or the kernel's interrupt)"
    return one_line(error) if error is not None and str(error) else "cancelled"


class Skipped:
    """What a skipped run returns: false, and whatever is called with it is skipped too.

    Parameters
    ----------
    reason : str, default ""
    """

    __slots__ = ("reason",)

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<skipped: {self.reason}>" if self.reason else "<skipped>"


def timed_out(what: str, seconds: float) -> Outcome:
    """Return the outcome of an attempt whose limit passed."""
    message = f"{what} exceeded its limit of {seconds:g} s"
    return Outcome(Kind.TIMEOUT, None, TaskTimeout(f"{message}; raise timeout_seconds if it needs longer."))


def upstream_failed(what: str, upstream: str, state_name: str) -> Outcome:
    """Return the outcome of a run that is not started because of another one."""
    return Outcome(
        Kind.UPSTREAM,
        None,
        UpstreamFailed(
            f"{what} was not run: {upstream}, which it depends on, ended {state_name} "
            "(wrap the argument in allow_failure(…) to run it all the same)."
        ),
    )


def crashed(message: str) -> Outcome:
    """Return the outcome of an attempt whose process died."""
    return Outcome(Kind.CRASH, None, CrashedRun(message))
