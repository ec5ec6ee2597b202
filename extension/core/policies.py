"""What becomes of slots that were missed, and of runs that would overlap.

Decided here without clock or store: a scheduler asks, and writes one row for
each decision, so that nothing is lost in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from headrace.core.errors import InvalidSchedule

#: Seconds. A slot no older than this is on time, whatever the policy says: it is due, not missed.
ON_TIME_SECONDS = 10.0
#: Seconds: a day, the longest grace that is given unasked.
LONGEST_DEFAULT_GRACE_SECONDS = 86_400.0
#: Runs that "all" makes for one schedule at most (reliability reference, F-24).
MAX_CATCH_UP = 1000
#: Skipped slots that get a row each; those before them share one.
MAX_SKIPPED_ROWS = 24
#: Seconds: ten years.
_LONGEST_GRACE_SECONDS = 10 * 366 * 86_400.0

_E = TypeVar("_E", bound=Enum)


class Overlap(str, Enum):
    """What happens to a due run while one of the same deployment is still going."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"
    CANCEL_RUNNING = "cancel_running"

    def __str__(self) -> str:
        return self.value

    @classmethod
    def parse(cls, value: object) -> Overlap:
        """Return the policy of this name.

        Raises
        ------
        InvalidSchedule
            There is none; `field` is "overlap".
        """
        return _member(cls, value, "overlap")


class CatchUpMode(str, Enum):
    """Which missed slots still run: none, the newest, or all of them."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"

    def __str__(self) -> str:
        return self.value


def _member(kind: type[_E], value: object, field: str) -> _E:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(str(member) for member in kind)
        raise InvalidSchedule(f"{field}: {str(value)[:40]!r} is not known; write one of {names}", field=field) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """Which missed slots still run.

    Parameters
    ----------
    mode : CatchUpMode or str, default "latest"
        "skip": none. "latest": the newest. "all": the newest `limit`, oldest first.
    limit : int, default 100
        For "all": 1 to 1000.
    grace_seconds : float or None, default None
        Slots older than this do not run. None: the schedule's own period, at most a
        day, for "latest"; no bound for "all".

    Raises
    ------
    InvalidSchedule
        With `field` "catch_up", "catch_up_limit" or "grace_seconds", as deployments spell them.
    """

    mode: CatchUpMode = CatchUpMode.LATEST
    limit: int = 100
    grace_seconds: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mode", _member(CatchUpMode, self.mode, "catch_up"))
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or not 1 <= self.limit <= MAX_CATCH_UP:
            raise InvalidSchedule(f"catch_up_limit: write a number from 1 to {MAX_CATCH_UP}", field="catch_up_limit")
        grace = self.grace_seconds
        if grace is None:
            return
        if isinstance(grace, bool) or not isinstance(grace, int | float) or not 0 <= grace <= _LONGEST_GRACE_SECONDS:
            raise InvalidSchedule(
                f"grace_seconds: write a number of seconds from 0 to {_LONGEST_GRACE_SECONDS:.0f}",
                field="grace_seconds",
            )
        object.__setattr__(self, "grace_seconds", float(grace))

    @property
    def slots_wanted(self) -> int:
        """How many of the newest missed slots `plan_catch_up` needs one by one."""
        return (self.limit if self.mode is CatchUpMode.ALL else 1) + MAX_SKIPPED_ROWS

    def to_wire(self) -> dict[str, Any]:
        """Return the policy in a deployment's words: `{catch_up, catch_up_limit, grace_seconds}`."""
        return {"catch_up": self.mode.value, "catch_up_limit": self.limit, "grace_seconds": self.grace_seconds}

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> CatchUp:
        """Return the policy that a deployment's words describe; other keys are not looked at, None is the default."""
        names = {"mode": "catch_up", "limit": "catch_up_limit", "grace_seconds": "grace_seconds"}
        return cls(**{name: data[key] for name, key in names.items() if data.get(key) is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """The slots that have come and were not decided.

    Parameters
    ----------
    slots : tuple of datetime
        The newest ones, ascending; aware, UTC.
    earlier_from, earlier_to : datetime or None
        The first and the last of those that are older than `slots`; None when there are none.
    """

    slots: tuple[datetime, ...] = ()
    earlier_from: datetime | None = None
    earlier_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotDecision:
    """One row: a slot, or a stretch of slots that share a fate.

    Parameters
    ----------
    slot : datetime
        The slot, or the first of a stretch.
    decision : str
        "run" or "skipped".
    reason : str
        For a person: why.
    until : datetime or None
        The last slot of a stretch.
    """

    slot: datetime
    decision: str
    reason: str
    until: datetime | None = None


def plan_catch_up(
    missed: Missed, policy: CatchUp, now: datetime, *, period_seconds: float, on_time_seconds: float = ON_TIME_SECONDS
) -> list[SlotDecision]:
    """Decide about every slot that has come since the last decision.

    However long the time was, the list is short: each slot that runs, `MAX_SKIPPED_ROWS`
    of the skipped ones, and one row for all before them.

    Parameters
    ----------
    missed : Missed
        With `policy.slots_wanted` slots one by one, if there are so many.
    policy : CatchUp
    now : datetime
        Aware.
    period_seconds : float
        The schedule's own period, which is the default grace.
    on_time_seconds : float, default 10
        Slots no older than this run under every policy.

    Returns
    -------
    list of SlotDecision
        Ascending.
    """
    chosen = _chosen(missed.slots, policy, now, period_seconds, on_time_seconds)
    decided = []
    for slot in missed.slots:
        age = (now - slot).total_seconds()
        if slot in chosen:
            reason = "" if age <= on_time_seconds else f"caught up, {_ago(age)} late"
            decided.append(SlotDecision(slot=slot, decision="run", reason=reason))
        else:
            decided.append(SlotDecision(slot=slot, decision="skipped", reason=_why(policy, age, bool(chosen))))
    skipped = [row.slot for row in decided if row.decision == "skipped"]
    stretch = set(skipped[:-MAX_SKIPPED_ROWS])
    rows = [row for row in decided if row.slot not in stretch]
    first = missed.earlier_from or (skipped[0] if stretch else None)
    if first is None:
        return rows
    last = max(stretch) if stretch else missed.earlier_to or first
    reason = "missed: this slot and all up to the next row that have none of their own"
    return [SlotDecision(slot=first, decision="skipped", reason=reason, until=last), *rows]


def _chosen(
    slots: tuple[datetime, ...], policy: CatchUp, now: datetime, period_seconds: float, on_time_seconds: float
) -> set[datetime]:
    on_time = {slot for slot in slots if (now - slot).total_seconds() <= on_time_seconds}
    grace = policy.grace_seconds
    if policy.mode is CatchUpMode.SKIP:
        return on_time
    if policy.mode is CatchUpMode.ALL:
        recent = [slot for slot in slots if grace is None or (now - slot).total_seconds() <= grace]
        return on_time | set(recent[-policy.limit :])
    if grace is None:
        grace = min(period_seconds, LONGEST_DEFAULT_GRACE_SECONDS)
    # A slot that is on time is the newest, and stands for those before it.
    newest = slots[-1:] if not on_time and slots and (now - slots[-1]).total_seconds() <= grace else ()
    return on_time | set(newest)


def _why(policy: CatchUp, age_seconds: float, others_run: bool) -> str:
    if policy.mode is CatchUpMode.SKIP:
        return f"missed by {_ago(age_seconds)}; the schedule skips what it missed"
    if policy.mode is CatchUpMode.LATEST and others_run:
        return "missed; a newer slot runs"
    if policy.mode is CatchUpMode.ALL and (policy.grace_seconds is None or age_seconds <= policy.grace_seconds):
        return f"missed; only the newest {policy.limit} are caught up"
    return f"missed by {_ago(age_seconds)}, longer than the grace time"


def _ago(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' * (count != 1)}"
    return f"{max(0.0, seconds):.0f} seconds"
