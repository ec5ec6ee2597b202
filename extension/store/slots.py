"""When schedules fire: slots, as aware UTC datetimes.

A *slot* is an instant at which a schedule is due; with jitter the firing is a
little later, the slot stays. Wall times come from `headrace.store.walls`; they
become instants here, by one rule:

- times on the clock's face (a cron without `*` in minute and hour; DAILY and longer rules): a time that
  does not exist fires once, at the first instant after the gap; one that occurs twice fires at the first; several that
  become the same instant are one slot;
- crons with a `*` in minute or hour, and rules counted in hours or less, follow elapsed time: what does not exist is
  skipped, what occurs twice fires twice;
- intervals are elapsed time and know no clocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache, partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from zoneinfo import TZPATH

from headrace.core.clock import UTC
from headrace.core.errors import InvalidSchedule, UsageError
from headrace.core.policies import Missed
from headrace.core.schedules import (
    EARLIEST,
    LATEST,
    CronSchedule,
    IntervalSchedule,
    OneOffSchedule,
    Schedule,
    find_zone,
    kind_of,
)
from headrace.core.schedules.wire import KIND_FIELDS
from headrace.core.schedules.zones import first_instant, local_time, steady_until
from headrace.store.walls import cron_walls, rrule_walls

#: Slots a question may ask for at once.
MAX_SLOTS = 10_000
_TICK = timedelta(microseconds=1)

_Walls = Callable[[datetime], Iterator[datetime]]


def iterate(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield a schedule's slots after an instant, ascending, each once.

    Parameters
    ----------
    schedule : CronSchedule, IntervalSchedule, RRuleSchedule or OneOffSchedule
    after : datetime
        Aware; not included.

    Yields
    ------
    datetime
        Aware, UTC.

    Raises
    ------
    UsageError
        `after` has no time zone.
    InvalidSchedule
        The schedule's time zone is no longer known on this machine.
    """
    _check(after, "after")
    if after >= LATEST:
        return iter(())
    # Compared before it is converted: near the calendar's ends only one of the two is possible.
    after = after.astimezone(UTC) if after > EARLIEST else EARLIEST
    if isinstance(schedule, OneOffSchedule):
        return iter([schedule.at] if schedule.at > after else [])
    if isinstance(schedule, IntervalSchedule):
        return _intervals(schedule, after)
    walls: _Walls
    if isinstance(schedule, CronSchedule):
        fields = schedule.fields
        walls, fixed = partial(cron_walls, fields, schedule.day_or), fields.fixed
        return (_on_the_face if fixed else _elapsed)(walls, schedule.timezone, after)
    rule = schedule.fields
    walls = partial(rrule_walls, rule)
    slots = (_on_the_face if rule.fixed else _elapsed)(walls, schedule.timezone, after)
    if rule.until is not None and rule.until.tzinfo is not None:
        slots = _until(slots, rule.until)
    instants = {moment for moment in rule.excluded if moment.tzinfo is not None}
    return (slot for slot in slots if slot not in instants) if instants else slots


def _check(moment: datetime, name: str) -> None:
    if moment.tzinfo is None:
        raise UsageError(f"{name}: {moment} has no time zone; give one, e.g. datetime(..., tzinfo=UTC)", field=name)


def _until(slots: Iterator[datetime], end: datetime) -> Iterator[datetime]:
    for slot in slots:
        if slot > end:
            return
        yield slot


def _intervals(schedule: IntervalSchedule, after: datetime) -> Iterator[datetime]:
    # Whole microseconds: a sum of floats would drift from the anchor's phase.
    step = schedule.interval_us
    number = (after - schedule.anchor_at) // _TICK // step + 1
    while True:
        slot = schedule.anchor_at + timedelta(microseconds=number * step)
        if slot >= LATEST:
            return
        yield slot
        number += 1


def _on_the_face(walls: _Walls, zone_name: str, after: datetime) -> Iterator[datetime]:
    zone = find_zone(zone_name)
    last = after
    for wall in walls(local_time(after, zone)):
        slot = first_instant(wall, zone)
        # Equal: in one gap. Before: `after` lies in the second pass of an hour that occurs twice.
        if slot > last:
            yield slot
            last = slot


def _elapsed(walls: _Walls, zone_name: str, after: datetime) -> Iterator[datetime]:
    zone = find_zone(zone_name)
    moment = after + _TICK
    while moment < LATEST:
        # Between two changes of the clocks, wall time and elapsed time are one.
        end = steady_until(moment, zone_name)
        offset = moment.astimezone(zone).utcoffset()
        assert offset is not None
        for wall in walls(local_time(moment, zone)):
            slot = (wall - offset).replace(tzinfo=UTC)
            if slot >= end:
                break
            yield slot
        else:
            # The walls have ended. A step back brings the last ones once more, and no step is as long as a day.
            if next(walls(local_time(end, zone) - timedelta(days=2)), None) is None:
                return
        moment = end


def next_slots(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    """Return the next slots after an instant.

    Parameters
    ----------
    schedule : CronSchedule, IntervalSchedule, RRuleSchedule or OneOffSchedule
    after : datetime
        Aware; not included.
    count : int
        At most so many, up to 10,000; fewer come back when the schedule ends.

    Returns
    -------
    list of datetime
        Aware, UTC, ascending.
    """
    return list(islice(iterate(schedule, after), max(0, min(count, MAX_SLOTS))))


def next_slot(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first slot after an instant (aware UTC), or None when the schedule has ended."""
    return next(iterate(schedule, after), None)


def slots_between(schedule: Schedule, start: datetime, end: datetime, limit: int) -> list[datetime]:
    """Return the slots from `start` to `end`, both included, at most `limit` (and 10,000) of them, the oldest first."""
    _check(start, "start")
    _check(end, "end")
    found = []
    for slot in islice(iterate(schedule, max(start, EARLIEST) - _TICK), max(0, min(limit, MAX_SLOTS))):
        if slot > end:
            break
        found.append(slot)
    return found


def period_seconds(schedule: Schedule, slot: datetime) -> float:
    """Return the time from a slot to the next one, in seconds; infinite when it is the last."""
    later = next_slot(schedule, slot)
    return float("inf") if later is None else (later - slot).total_seconds()


def missed(
    schedule: Schedule,
    last: datetime,
    now: datetime,
    limit: int,
    *,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
) -> Missed:
    """Return the slots after `last` up to `now`, the newest `limit` of them one by one.

    The work is bounded by `limit`, not by the time that has passed.

    Parameters
    ----------
    schedule : CronSchedule, IntervalSchedule, RRuleSchedule or OneOffSchedule
    last : datetime
        Aware; the last decided slot, or the time of the schedule's making.
    now : datetime
        Aware; included.
    limit : int
        Up to 10,000.
    start_at, end_at : datetime or None, default None
        The schedule's own bounds, included.

    Returns
    -------
    Missed
    """
    _check(last, "last")
    _check(now, "now")
    limit = max(1, min(limit, MAX_SLOTS))
    after = last if start_at is None else max(last, start_at - _TICK)
    end = now if end_at is None else min(now, end_at)
    found: list[datetime] = []
    for slot in islice(iterate(schedule, after), limit + 1):
        if slot > end:
            break
        found.append(slot)
    if len(found) <= limit:
        return Missed(slots=tuple(found))
    # Too many to walk through: look back from the end, twice as far each time.
    first = found[0]
    span = found[-1] - first
    while True:
        begin = max(after, end - span)
        newest = _newest(schedule, begin, end, limit + 1)
        if len(newest) > limit or begin <= after:
            break
        span *= 2
    return Missed(slots=tuple(newest[1:]), earlier_from=first, earlier_to=newest[0])


def _newest(schedule: Schedule, after: datetime, end: datetime, count: int) -> list[datetime]:
    kept: deque[datetime] = deque(maxlen=count)
    for slot in iterate(schedule, after):
        if slot > end:
            break
        kept.append(slot)
    return list(kept)


def check_fires(schedule: Schedule, after: datetime | None = None) -> datetime:
    """Return a schedule's first slot, and refuse the schedule when there is none.

    Parameters
    ----------
    schedule : CronSchedule, IntervalSchedule, RRuleSchedule or OneOffSchedule
    after : datetime or None, default None
        Aware; None: the beginning of time, so that only rules that never fire at all are refused.

    Raises
    ------
    InvalidSchedule
        It never fires; `field` is the field that says when.
    """
    slot = next_slot(schedule, EARLIEST if after is None else after)
    if slot is not None:
        return slot
    field = KIND_FIELDS[kind_of(schedule)]
    when = "" if after is None else f" after {after.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    raise InvalidSchedule(f"{field}: it never fires{when}; change its dates", field=field)


@lru_cache(maxsize=1)
def tzdata_version() -> str:
    """Return the release of the time zone data in use, e.g. "2026b"; "" when it does not say."""
    for folder in map(Path, TZPATH):
        if (folder / "UTC").exists():
            for name in ("+VERSION", "tzdata.zi"):
                try:
                    with (folder / name).open(encoding="ascii") as file:
                        words = file.readline().split()
                except (OSError, ValueError):
                    continue
                return words[-1] if words else ""
            return ""
    try:
        return str(import_module("tzdata").IANA_VERSION)
    except ImportError:
        return ""
