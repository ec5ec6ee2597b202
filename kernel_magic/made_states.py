"""States that user code makes and returns: `return Failed(message="no data today")`."""

from __future__ import annotations

from typing import Any

from headrace.core.states import State, StateType


def _made(kind: StateType, message: str, name: str, data: Any) -> State:
    return State(type=kind, name=name, message=message, data=data)


def Completed(*, message: str = "", name: str = "", data: Any = None) -> State:
    """Return a COMPLETED state; `data` is the result.

    Parameters
    ----------
    message, name : str
        Shown with the run; the name is "Completed" if none is given.
    data : object
    """
    return _made(StateType.COMPLETED, message, name, data)


def Failed(*, message: str = "", name: str = "", data: Any = None) -> State:
    """Return a FAILED state; `data` may be an exception. Parameters as for `Completed`."""
    return _made(StateType.FAILED, message, name, data)


def Cancelled(*, message: str = "", name: str = "", data: Any = None) -> State:
    """Return a CANCELLED state. Parameters as for `Completed`."""
    return _made(StateType.CANCELLED, message, name, data)


def Crashed(*, message: str = "", name: str = "", data: Any = None) -> State:
    """Return a CRASHED state. Parameters as for `Completed`."""
    return _made(StateType.CRASHED, message, name, data)
