"""The states of a run, as a table: the one file that owns them.

Nine types drive logic (Prefect's words); a *name* refines a type for people.
`MOVES` lists every allowed move; a pair that is missing is an error, and a
terminal type has nothing after it. The documentation's diagram and the tests
(the full square of states) are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from headrace.core.clock import SYSTEM_CLOCK, instant
from headrace.core.errors import CancelledRun, CrashedRun, FailedRun, InvalidTransition, UnfinishedRun


class StateType(str, Enum):
    """What a state means to the machinery."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"

    def __str__(self) -> str:
        return self.value


S = StateType

#: Names a type may carry; the first is the plain one. User code may return states with names of its own.
NAMES: dict[StateType, tuple[str, ...]] = {
    S.SCHEDULED: ("Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot", "Resuming"),
    S.PENDING: ("Pending", "Submitted", "Starting"),
    S.RUNNING: ("Running", "Retrying"),
    S.PAUSED: ("Paused", "Suspended"),
    S.CANCELLING: ("Cancelling",),
    S.COMPLETED: ("Completed", "Cached", "Skipped", "RolledBack"),
    S.FAILED: ("Failed", "TimedOut", "UpstreamFailed"),
    S.CANCELLED: ("Cancelled", "NotRun"),
    S.CRASHED: ("Crashed",),
}

TERMINAL: frozenset[StateType] = frozenset({S.COMPLETED, S.FAILED, S.CANCELLED, S.CRASHED})

#: type → types that may follow it. RUNNING → RUNNING is a retry's start or a renamed state. SCHEDULED after
#: RUNNING is AwaitingRetry: while retries remain an attempt's end never passes through a terminal type.
MOVES: dict[StateType, frozenset[StateType]] = {
    S.SCHEDULED: frozenset({S.SCHEDULED, S.PENDING, S.RUNNING, S.PAUSED, S.CANCELLING, *TERMINAL}),
    S.PENDING: frozenset({S.SCHEDULED, S.PENDING, S.RUNNING, S.PAUSED, S.CANCELLING, *TERMINAL}),
    S.RUNNING: frozenset({S.SCHEDULED, S.RUNNING, S.PAUSED, S.CANCELLING, *TERMINAL}),
    S.PAUSED: frozenset({S.SCHEDULED, S.PENDING, S.RUNNING, S.PAUSED, S.CANCELLING, *TERMINAL}),
    # A run whose work was done before the cancel reached it says so: it may still complete or fail.
    S.CANCELLING: frozenset({S.CANCELLING, *TERMINAL}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.CRASHED: frozenset(),
}

#: The one exception to "a terminal type is final": a transaction that is undone renames its completed runs.
ROLLED_BACK = "RolledBack"


def can_move(old: StateType, new: StateType, new_name: str = "") -> bool:
    """Return whether a run in `old` may move to `new`."""
    if new in MOVES[old]:
        return True
    return old is S.COMPLETED and new is S.COMPLETED and new_name == ROLLED_BACK


def check_move(old: StateType, new: StateType, new_name: str = "") -> None:
    """Raise `InvalidTransition` if a run in `old` may not move to `new`."""
    if not can_move(old, new, new_name):
        why = (
            "a finished run is final"
            if old in TERMINAL
            else "the table of moves in headrace.core.states has no such pair"
        )
        raise InvalidTransition(
            f"A run cannot go from {old.value} to {new.value} ({new_name or NAMES[new][0]}): {why}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A run's state at one instant.

    Parameters
    ----------
    type : StateType
        What it means to the machinery.
    name : str, default the type's first name
        What it is called for people.
    message : str, default ""
        One line: why.
    at_us : int, default now
        When, in µs since 1970 UTC.
    attempt : int, default 1
        The attempt that it belongs to, counted from 1.
    data : object, default None
        The result, or the exception, while it is in this process.
    run_id : str or None, default None
        The run that is in it; None for a state that user code made.
    """

    type: StateType
    name: str = ""
    message: str = ""
    at_us: int = 0
    attempt: int = 1
    data: Any = None
    run_id: str | None = None

    def __repr__(self) -> str:
        kind = "" if self.name == NAMES[self.type][0] else f", type={self.type.value}"
        words = f", {self.message!r}" if self.message else ""
        attempt = f", attempt={self.attempt}" if self.attempt > 1 else ""
        return f"<State {self.name}{kind}{words}{attempt}>"

    def _repr_html_(self) -> str:
        from headrace.core.cards import card, state_words

        attempt = str(self.attempt) if self.attempt > 1 else ""
        return card(state_words(self.type.value, self.name), [("why", self.message), ("attempt", attempt)])

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", NAMES[self.type][0])
        if not self.at_us:
            object.__setattr__(self, "at_us", SYSTEM_CLOCK.now_us())

    @property
    def timestamp(self) -> Any:
        """When the run entered it: an aware UTC datetime."""
        return instant(self.at_us)

    def result(self, raise_on_failure: bool = True) -> Any:
        """Return what the run returned.

        Parameters
        ----------
        raise_on_failure : bool, default True
            Raise what it raised; False returns the exception instead.

        Returns
        -------
        object

        Raises
        ------
        UnfinishedRun
            The run has not ended.
        Exception
            What the run raised, or a `RunError` that says how it ended.
        """
        if self.type is S.COMPLETED:
            return self.data
        if self.type not in TERMINAL:
            error: BaseException = UnfinishedRun(
                f"The run is {self.name}; it has no result yet.", state=self, run_id=self.run_id
            )
        elif isinstance(self.data, BaseException):
            error = self.data
        else:
            kinds = {S.FAILED: FailedRun, S.CANCELLED: CancelledRun, S.CRASHED: CrashedRun}
            error = kinds[self.type](self.message or f"The run ended {self.name}.", state=self, run_id=self.run_id)
        if raise_on_failure or self.type not in TERMINAL:
            raise error
        return error

    def is_scheduled(self) -> bool:
        """Return whether the type is SCHEDULED."""
        return self.type is S.SCHEDULED

    def is_pending(self) -> bool:
        """Return whether the type is PENDING."""
        return self.type is S.PENDING

    def is_running(self) -> bool:
        """Return whether the type is RUNNING."""
        return self.type is S.RUNNING

    def is_paused(self) -> bool:
        """Return whether the type is PAUSED."""
        return self.type is S.PAUSED

    def is_cancelling(self) -> bool:
        """Return whether the type is CANCELLING."""
        return self.type is S.CANCELLING

    def is_completed(self) -> bool:
        """Return whether the type is COMPLETED."""
        return self.type is S.COMPLETED

    def is_failed(self) -> bool:
        """Return whether the type is FAILED."""
        return self.type is S.FAILED

    def is_cancelled(self) -> bool:
        """Return whether the type is CANCELLED."""
        return self.type is S.CANCELLED

    def is_crashed(self) -> bool:
        """Return whether the type is CRASHED."""
        return self.type is S.CRASHED

    def is_final(self) -> bool:
        """Return whether no state follows."""
        return self.type in TERMINAL
