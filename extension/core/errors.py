"""Every error that Headrace raises, as one tree.

::

    HeadraceError                        what happened, where, what to do next
    ├── UsageError (ValueError)          the caller asked for something that cannot be             422, exit 2
    │   ├── InvalidOption                an option has a wrong type or value, or is unknown
    │   ├── InvalidName                  a name cannot be used
    │   ├── InvalidParameter             a parameter is unknown, missing or of a wrong type
    │   │   ├── ParameterTypeError       … refused before a flow's body started
    │   │   └── ParameterErrors          several at once, one line each (headrace.core.parameters)
    │   ├── InvalidSchedule              a schedule cannot be
    │   ├── InvalidNotebook              a notebook cannot be read or has a fault
    │   ├── UnknownKernel                a kernelspec is not installed
    │   ├── CycleError                   dependencies go round in a circle
    │   ├── MappingLengthMismatch        `.map` was given iterables of different lengths
    │   ├── MappingMissingIterable       `.map` was given nothing to map over
    │   └── ReservedArgumentError        a flow or task parameter has a reserved name
    ├── NotFound                         no such run, deployment, file …                           404
    ├── Conflict                         true when asked, no longer true now                       409
    │   └── InvalidTransition            a run's state does not allow this move
    ├── StoreError                       the store cannot do it now
    │   ├── StoreUnavailable             locked or unreachable: try again                          503
    │   ├── StoreFull                    the disk is full                                          507
    │   ├── StoreTooNew                  written by a newer Headrace                               503
    │   └── StoreCorrupt                 damaged: nothing is overwritten                           503
    ├── MissingDependency                an optional package is not installed                      501
    ├── MissingContextError              needs a flow or task run around it
    ├── UnserializableResult             a result cannot be stored
    ├── UntrustedResultError             a stored result's seal is not ours
    ├── ConcurrencySlotAcquisitionError  a slot of a limit was not to be had
    ├── TransactionRolledBack            a commit hook failed, and the transaction was undone
    └── RunError                         a run did not end well; `state` says how
        ├── FailedRun
        │   ├── TaskTimeout (TimeoutError)
        │   └── UpstreamFailed
        ├── CancelledRun
        ├── CrashedRun
        ├── PausedRun
        └── UnfinishedRun                asked for a result before there is one

Control signals that user code must not swallow by `except Exception` derive
from `BaseException`: `CancelSignal`, `StopSignal`, `SuspendSignal`.
"""

from __future__ import annotations

from typing import Any


class HeadraceError(Exception):
    """What happened, where, and what to do next.

    Parameters
    ----------
    message : str
        One sentence for a person, with the remedy.
    field : str or None, default None
        The name of the input that was wrong, as the caller spelled it.
    """

    http_status = 500
    exit_code = 1
    code = "error"

    def __init__(self, message: str = "", *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __reduce__(self) -> Any:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[HeadraceError], args: tuple[Any, ...], attributes: dict[str, Any]) -> HeadraceError:
    """Rebuild an error in another process, whatever its constructor asks for."""
    error = cls.__new__(cls)
    Exception.__init__(error, *args)
    error.__dict__.update(attributes)
    return error


class UsageError(HeadraceError, ValueError):
    """The caller asked for something that cannot be."""

    http_status = 422
    exit_code = 2
    code = "invalid"


class InvalidOption(UsageError, TypeError):
    """An option has a wrong type or value, or is unknown."""

    code = "invalid_option"


class InvalidName(UsageError):
    """A name cannot be used."""

    code = "invalid_name"


class InvalidParameter(UsageError):
    """A parameter is unknown, missing or of a wrong type."""

    code = "invalid_parameter"


class ParameterTypeError(InvalidParameter, TypeError):
    """Flow parameters do not fit the annotations; the body has not started."""


class InvalidSchedule(UsageError):
    """A schedule cannot be."""

    code = "invalid_schedule"


class InvalidNotebook(UsageError):
    """A notebook cannot be read or has a fault."""

    code = "invalid_notebook"


class UnknownKernel(UsageError):
    """A kernelspec is not installed."""

    code = "unknown_kernel"


class CycleError(UsageError):
    """Dependencies go round in a circle."""

    code = "cycle"


class MappingLengthMismatch(UsageError):
    """`.map` was given iterables of different lengths."""


class MappingMissingIterable(UsageError):
    """`.map` was given nothing to map over."""


class ReservedArgumentError(UsageError):
    """A flow or task parameter has a name that calls reserve (`wait_for`, `return_state`)."""


class NotFound(HeadraceError, LookupError):
    """There is no such run, deployment, file …"""

    http_status = 404
    exit_code = 2
    code = "not_found"


class Conflict(HeadraceError):
    """What was true when the caller looked is no longer true."""

    http_status = 409
    code = "conflict"


class InvalidTransition(Conflict):
    """A run's state does not allow this move."""

    code = "invalid_transition"


class StoreError(HeadraceError):
    """The store cannot do it now."""

    http_status = 503
    code = "store"


class StoreUnavailable(StoreError):
    """The store is locked, cannot be opened or cannot be reached."""

    code = "store_unavailable"


class StoreFull(StoreError):
    """The disk under the store is full."""

    http_status = 507
    code = "store_full"


class StoreTooNew(StoreError):
    """The store was written by a newer Headrace."""

    code = "store_too_new"


class StoreCorrupt(StoreError):
    """The store's file is damaged; it was not touched."""

    code = "store_corrupt"


class MissingDependency(HeadraceError, ImportError):
    """An optional package is not installed; the message has the command that brings it."""

    http_status = 501
    exit_code = 2
    code = "missing_dependency"


class MissingContextError(HeadraceError, RuntimeError):
    """Something was asked that has a meaning only inside a flow or task run."""

    code = "missing_context"


class UnserializableResult(HeadraceError):
    """A result cannot be stored."""

    code = "result_not_serializable"


class TransactionRolledBack(HeadraceError):
    """A commit hook failed, and the transaction was undone."""

    code = "transaction_rolled_back"


class UntrustedResultError(HeadraceError):
    """A stored result's seal was not made with our key; it was not opened."""

    code = "untrusted_result"


class ConcurrencySlotAcquisitionError(HeadraceError, TimeoutError):
    """A slot of a concurrency limit was not to be had."""

    code = "no_slot"


class RunError(HeadraceError):
    """A run did not end well.

    Parameters
    ----------
    message : str
        What happened.
    state : State or None, default None
        The run's state.
    run_id : str or None, default None
        The run.
    """

    code = "run"

    def __init__(self, message: str = "", *, state: Any = None, run_id: str | None = None) -> None:
        super().__init__(message)
        self.state = state
        self.run_id = run_id


class FailedRun(RunError):
    """The run's own code, or its definition, was at fault."""

    code = "failed"


class TaskTimeout(FailedRun, TimeoutError):
    """The run passed its time limit."""

    code = "timed_out"


class UpstreamFailed(FailedRun):
    """A run that this one depends on did not complete."""

    code = "upstream_failed"


class CancelledRun(RunError):
    """The run was cancelled."""

    code = "cancelled"


class CrashedRun(RunError):
    """The process that ran it died or never answered."""

    code = "crashed"


class PausedRun(RunError):
    """The run is paused."""

    code = "paused"


class UnfinishedRun(RunError):
    """A result was asked for before the run ended."""

    code = "unfinished"


class CancelSignal(BaseException):
    """Raised inside a run's body to make it end: a cancel, not an error.

    Parameters
    ----------
    reason : str, default "cancelled"
        Who asked and why, for the state's message.
    """

    def __init__(self, reason: str = "cancelled") -> None:
        super().__init__(reason)
        self.reason = reason


class StopSignal(BaseException):
    """Raised by `headrace.stop()`: ends the run as COMPLETED/Skipped and skips what depends on it.

    Parameters
    ----------
    reason : str, default ""
        Shown with the state.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class SuspendSignal(BaseException):
    """Raised by `suspend_flow_run`: ends the process of a run that waits for a person.

    Parameters
    ----------
    reason : str
        Shown with the state.
    """

    def __init__(self, reason: str = "waits to be resumed") -> None:
        super().__init__(reason)
        self.reason = reason


def one_line(error: BaseException) -> str:
    """Return an error as one line for a person, without a traceback."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
