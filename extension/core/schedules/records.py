"""Schedules as values that cannot be built wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from headrace.core.clock import EPOCH, UTC, micros
from headrace.core.errors import InvalidSchedule
from headrace.core.schedules.cron import CronFields, parse_cron
from headrace.core.schedules.rrule import RRuleFields, parse_rrule
from headrace.core.schedules.zones import LATEST, find_zone

#: Seconds. Below a second the run's own start would be longer than the period.
MIN_INTERVAL_SECONDS = 1.0
#: Seconds: a hundred years.
MAX_INTERVAL_SECONDS = 100 * 366 * 86_400.0
#: Seconds: a day. More would move a firing among the next ones.
MAX_JITTER_SECONDS = 86_400.0
#: Bytes of JSON, the same as a run's parameters through the API.
MAX_PARAMETERS_BYTES = 1 << 20


def _instant(value: object, name: str) -> datetime:
    """Return an aware datetime in UTC, within what is computed."""
    if not isinstance(value, datetime):
        raise InvalidSchedule(f"{name}: {type(value).__name__} is no date and time", field=name)
    if value.tzinfo is None:
        raise InvalidSchedule(
            f"{name}: {value} has no time zone; give one, e.g. datetime(..., tzinfo=timezone.utc)", field=name
        )
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        moment = LATEST
    if not EPOCH <= moment < LATEST:
        raise InvalidSchedule(f"{name}: {value} is out of range; write a time from 1970 to 8999", field=name)
    return moment


def _seconds(value: object, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidSchedule(f"{name}: {type(value).__name__} is no number of seconds", field=name)
    # Compared, never formatted: NaN fails both, and the text of a giant whole number is an error of its own.
    if not low <= value <= high:
        raise InvalidSchedule(f"{name}: out of range; write {low:g} to {high:.0f} seconds", field=name)
    return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class CronSchedule:
    """Fires at the times of a cron expression, on the clocks of a time zone.

    Parameters
    ----------
    cron : str
        See `headrace.core.schedules.cron`.
    timezone : str, default "UTC"
        An IANA name.
    day_or : bool, default True
        When day of month and weekday are both restricted, either may match; False: both must.

    Raises
    ------
    InvalidSchedule
        With `field` "cron", "timezone" or "day_or".
    """

    cron: str
    timezone: str = "UTC"
    day_or: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.day_or, bool):
            raise InvalidSchedule("day_or: write true or false", field="day_or")
        parse_cron(self.cron, self.day_or)
        find_zone(self.timezone)

    @property
    def fields(self) -> CronFields:
        """What the expression says."""
        return parse_cron(self.cron, self.day_or)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalSchedule:
    """Fires every so many seconds of elapsed time, counted from an anchor in both directions.

    The phase depends on nothing but these values: no restart, edit of another field or change of clocks moves it.

    Parameters
    ----------
    interval_seconds : float
        From 1 s to a hundred years; kept to the microsecond.
    anchor_at : datetime, default 1970-01-01 00:00 UTC
        Aware; one of the firing times.
    timezone : str, default "UTC"
        For showing times only.

    Raises
    ------
    InvalidSchedule
        With `field` "interval_seconds", "anchor_at" or "timezone".
    """

    interval_seconds: float
    anchor_at: datetime = EPOCH
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        value = _seconds(self.interval_seconds, "interval_seconds", MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS)
        object.__setattr__(self, "interval_seconds", value)
        object.__setattr__(self, "anchor_at", _instant(self.anchor_at, "anchor_at"))
        find_zone(self.timezone)

    @property
    def interval_us(self) -> int:
        """The interval in whole microseconds."""
        return round(self.interval_seconds * 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RRuleSchedule:
    """Fires at the times of an iCalendar recurrence rule, on the clocks of a time zone.

    Parameters
    ----------
    rrule : str
        See `headrace.core.schedules.rrule`.
    timezone : str, default "UTC"
        An IANA name.

    Raises
    ------
    InvalidSchedule
        With `field` "rrule" or "timezone".
    """

    rrule: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        fields = parse_rrule(self.rrule)
        find_zone(self.timezone)
        if fields.zone is not None and fields.zone != self.timezone:
            raise InvalidSchedule(
                f"rrule: it is written for {fields.zone} and the schedule is in {self.timezone}; make them equal",
                field="timezone",
            )

    @property
    def fields(self) -> RRuleFields:
        """What the rule says."""
        return parse_rrule(self.rrule)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOffSchedule:
    """Fires once.

    Parameters
    ----------
    at : datetime
        Aware; kept in UTC.
    timezone : str, default "UTC"
        For showing the time only.

    Raises
    ------
    InvalidSchedule
        With `field` "at" or "timezone".
    """

    at: datetime
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _instant(self.at, "at"))
        find_zone(self.timezone)


Schedule = CronSchedule | IntervalSchedule | RRuleSchedule | OneOffSchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions:
    """What every kind of schedule may carry.

    Parameters
    ----------
    start_at, end_at : datetime or None, default None
        Aware; only slots from `start_at` to `end_at`, both included, count.
    jitter_seconds : float, default 0
        Each firing is up to so much later than its slot, at most a day (see `jitter`).
    active : bool, default True
    parameters : mapping, default empty
        JSON values, laid over the deployment's own.

    Raises
    ------
    InvalidSchedule
        With the field's name.
    """

    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_seconds: float = 0.0
    active: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("start_at", "end_at"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _instant(value, name))
        if self.start_at and self.end_at and self.end_at < self.start_at:
            raise InvalidSchedule("end_at: it is before start_at; exchange them", field="end_at")
        value = _seconds(self.jitter_seconds, "jitter_seconds", 0.0, MAX_JITTER_SECONDS)
        object.__setattr__(self, "jitter_seconds", value)
        if not isinstance(self.active, bool):
            raise InvalidSchedule("active: write true or false", field="active")
        _check_parameters(self.parameters)


def _check_parameters(parameters: object) -> None:
    if not isinstance(parameters, Mapping) or not all(isinstance(name, str) for name in parameters):
        raise InvalidSchedule("parameters: write an object of names and values", field="parameters")
    try:
        text = json.dumps(dict(parameters), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidSchedule("parameters: only JSON values can be stored", field="parameters") from None
    if len(text) > MAX_PARAMETERS_BYTES:
        raise InvalidSchedule(
            f"parameters: {len(text)} bytes, and {MAX_PARAMETERS_BYTES} is the limit; pass a path instead",
            field="parameters",
        )


def jitter(schedule_id: str, slot: datetime, jitter_seconds: float) -> timedelta:
    """Return how much later than its slot a firing is.

    The same for every process that asks: any number of schedulers agree without a word between them.

    Parameters
    ----------
    schedule_id : str
    slot : datetime
        Aware.
    jitter_seconds : float
        The most it may be.

    Returns
    -------
    timedelta
        0 ≤ result ≤ jitter_seconds, in whole microseconds, evenly spread.
    """
    if jitter_seconds <= 0:
        return timedelta(0)
    digest = hashlib.sha256(f"{schedule_id}\n{micros(slot)}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return timedelta(microseconds=int(share * jitter_seconds * 1_000_000))
