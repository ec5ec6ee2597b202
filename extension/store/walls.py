"""Naive wall times of crons and recurrence rules, in order.

Nothing here knows a time zone: `headrace.store.slots` brings wall times to
instants. Libraries that do both at once differ where clocks are changed, one
version of croniter from the next too.

Every search is bounded: python-dateutil itself looks until the year 9999 for a
rule that never fires, which takes it ten seconds and more.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from itertools import islice, product
from typing import Any

from headrace.core.schedules import LATEST, CronFields, RRuleFields

_END = LATEST.replace(tzinfo=None)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


def cron_walls(fields: CronFields, day_or: bool, start: datetime) -> Iterator[datetime]:
    """Yield the wall times of a cron expression from `start` on (naive, included), ascending.

    Walked here, and held equal to croniter by tests, under its oldest and newest version. croniter itself
    would not do: up to 6.0 it passes over 1 March for `0 0 1,30 * *`, every version reads `0 0 13 * 1#2` as "both days",
    and a walk takes it twenty times as long.
    """
    start = start if start.second == start.microsecond == 0 else start.replace(second=0, microsecond=0) + _MINUTE
    hours, minutes = fields.hours, fields.minutes
    for year, month, day in _cron_days(fields, day_or, start):
        if (year, month, day) != (start.year, start.month, start.day):
            for hour in hours:
                for minute in minutes:
                    yield datetime(year, month, day, hour, minute)
            continue
        for hour in hours[bisect_left(hours, start.hour) :]:
            first = bisect_left(minutes, start.minute) if hour == start.hour else 0
            for minute in minutes[first:]:
                yield datetime(year, month, day, hour, minute)


def _cron_days(fields: CronFields, day_or: bool, start: datetime) -> Iterator[tuple[int, int, int]]:
    """Yield the matching days from that of `start` on, as (year, month, day)."""
    months, days, weekdays, nths = fields.months, fields.days, fields.weekdays, fields.nth_weekdays
    every = fields.any_day and fields.any_weekday
    either = day_or and not (fields.any_day or fields.any_weekday)
    year, month, first = start.year, start.month, start.day
    while year < _END.year:
        if month in months:
            begins, length = monthrange(year, month)
            last = length if fields.last_day else 0
            for day in range(first, length + 1):
                if every:
                    yield year, month, day
                    continue
                # monthrange counts weekdays from Monday, cron from Sunday.
                number = (begins + day) % 7
                weekday = number in weekdays or (number, (day + 6) // 7) in nths
                monthday = day in days or day == last
                if (monthday or weekday) if either else (monthday and weekday):
                    yield year, month, day
        first, month = 1, month + 1
        if month > 12:
            year, month = year + 1, 1


class _SearchEnded(Exception):
    """A rule has not fired within the search's limit."""


#: Periods that are looked at for the next day of a rule: at least forty years of each frequency.
_MOST_PERIODS = {"YEARLY": 100, "MONTHLY": 1200, "WEEKLY": 2600, "DAILY": 15_000}
#: Times of day that are tried for the next firing of a rule that counts within days, and what a day without any counts.
_MOST_TRIES, _TRIES_A_DAY = 150_000, 10


class _Counted(int):
    """An interval that counts how often it is added, and ends the search: python-dateutil has no limit of its own.

    `rrule` adds the interval once for each period that it looks at (`year += interval`, and for weeks
    `day += interval*7`), whether or not the period holds a firing.
    """

    left: int

    def __radd__(self, other: int) -> int:
        self.spend()
        return int(self) + other

    def __mul__(self, other: int) -> int:
        self.spend()
        return int(self) * other

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _SearchEnded


def rrule_walls(fields: RRuleFields, start: datetime) -> Iterator[datetime]:
    """Yield the wall times of a recurrence rule from `start` on (naive, included), ascending.

    An UNTIL that is an instant, and excluded instants, are the caller's: they need a time zone.
    """
    until = fields.until if fields.until is not None and fields.until.tzinfo is None else None
    if fields.count is not None:
        until = _last_counted(fields)
        if until is None:
            return
    for wall in _unbounded(fields, max(start, fields.start)):
        if until is not None and wall > until:
            return
        if wall not in fields.excluded:
            yield wall


@lru_cache(maxsize=1024)
def _last_counted(fields: RRuleFields) -> datetime | None:
    """Return the wall time at which COUNT is used up: later questions need not walk from the start again."""
    counted = deque(islice(_unbounded(fields, fields.start), fields.count), maxlen=1)
    return counted[0] if counted else None


def _unbounded(fields: RRuleFields, start: datetime) -> Iterator[datetime]:
    """Yield all wall times from `start` on, without COUNT, UNTIL and EXDATE."""
    try:
        for wall in _by_day(fields, start) if fields.fixed else _within_days(fields, start):
            if wall >= _END:
                return
            if wall >= start:
                yield wall
    except (_SearchEnded, OverflowError):
        return


def _dateutil(
    fields: RRuleFields, frequency: str, interval: int, begin: datetime, times: dict[str, Any]
) -> Iterator[datetime]:
    """Run python-dateutil from the first instant of a period, with a limit on the periods between two firings."""
    from dateutil import rrule

    counted = _Counted(interval)
    counted.left = limit = _MOST_PERIODS[frequency]
    # Every part is explicit: what the standard takes from DTSTART must not come from `begin`.
    rule = rrule.rrule(
        getattr(rrule, frequency),
        dtstart=begin,
        interval=counted,
        wkst=fields.week_start,
        bymonth=fields.by_month or None,
        bymonthday=fields.by_month_day or None,
        byyearday=fields.by_year_day or None,
        byweekno=fields.by_week_no or None,
        byweekday=[rrule.weekday(day, nth or None) for day, nth in fields.by_day] or None,
        bysetpos=fields.by_set_pos or None,
        **times,
    )
    for wall in rule:
        counted.left = limit
        yield wall


def _by_day(fields: RRuleFields, start: datetime) -> Iterator[datetime]:
    """Yield for DAILY and longer: the days are python-dateutil's, each with the rule's times of day.

    Only with BYSETPOS, which chooses among days and times together, are the times python-dateutil's too:
    a rule for every second of a year is fifteen seconds of walking to its end.
    """
    begin = _period(fields, start)
    if fields.by_set_pos:
        times = {"byhour": fields.by_hour, "byminute": fields.by_minute, "bysecond": fields.by_second}
        yield from _dateutil(fields, fields.frequency, fields.interval, begin, times)
        return
    midnight = {"byhour": 0, "byminute": 0, "bysecond": 0}
    for day in _dateutil(fields, fields.frequency, fields.interval, begin, midnight):
        if day + _DAY <= start:
            continue
        for hour, minute, second in product(fields.by_hour, fields.by_minute, fields.by_second):
            yield day.replace(hour=hour, minute=minute, second=second)


def _period(fields: RRuleFields, moment: datetime) -> datetime:
    """Return the beginning of the rule's last period at or before `moment`, in phase with its start."""
    origin, interval = fields.start, fields.interval
    if fields.frequency == "YEARLY":
        return datetime(origin.year + _floor(moment.year - origin.year, interval), 1, 1)
    if fields.frequency == "MONTHLY":
        first = origin.year * 12 + origin.month - 1
        months = first + _floor(moment.year * 12 + moment.month - 1 - first, interval)
        return datetime(months // 12, months % 12 + 1, 1)
    midnight = datetime.combine(origin.date(), time())
    if fields.frequency == "DAILY":
        return midnight + timedelta(days=_floor((moment - midnight).days, interval))
    week = midnight - timedelta(days=(midnight.weekday() - fields.week_start) % 7)
    return week + timedelta(weeks=_floor((moment - week).days // 7, interval))


def _floor(value: int, step: int) -> int:
    return value // step * step


def _within_days(fields: RRuleFields, start: datetime) -> Iterator[datetime]:
    """Yield for HOURLY and shorter: the days are python-dateutil's, the times of day counted through from the start."""
    unit = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}[fields.frequency]
    origin = (fields.start - datetime.min) // timedelta(seconds=unit)
    tries = _MOST_TRIES
    for day in _days(fields, start):
        tries -= _TRIES_A_DAY
        base = (day - datetime.min) // timedelta(seconds=unit)
        lowest = max(0, (start - day) // timedelta(seconds=unit))
        for number in range(lowest + (origin - base - lowest) % fields.interval, 86_400 // unit, fields.interval):
            tries -= 1
            if tries < 0:
                break
            for second in _seconds_of_day(fields, number * unit):
                tries = _MOST_TRIES
                yield day + timedelta(seconds=second)
        if tries < 0:
            return


def _days(fields: RRuleFields, start: datetime) -> Iterator[datetime]:
    begin = datetime.combine(start.date(), time())
    if fields.by_month or fields.by_month_day or fields.by_year_day or fields.by_week_no or fields.by_day:
        yield from _dateutil(fields, "DAILY", 1, begin, {"byhour": 0, "byminute": 0, "bysecond": 0})
        return
    for number in range(_MOST_PERIODS["DAILY"]):
        yield begin + timedelta(days=number)


def _seconds_of_day(fields: RRuleFields, at: int) -> Sequence[int]:
    """Return the seconds of the day that fire in the hour, minute or second that begins at `at`."""
    hour, rest = divmod(at, 3600)
    if fields.by_hour and hour not in fields.by_hour:
        return ()
    if fields.frequency == "HOURLY":
        return [at + minute * 60 + second for minute in fields.by_minute for second in fields.by_second]
    if fields.by_minute and rest // 60 not in fields.by_minute:
        return ()
    if fields.frequency == "MINUTELY":
        return [at + second for second in fields.by_second]
    return () if fields.by_second and rest % 60 not in fields.by_second else (at,)
