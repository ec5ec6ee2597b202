"""Between a schedule's row and its times: what a row means, its next slot, its missed slots.

The grammar and the words are headrace.core.schedules, the computation is
headrace.store.slots; here their datetimes meet the store's µs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from headrace.core.clock import instant, iso, micros
from headrace.core.deployments import ScheduleRow
from headrace.core.errors import InvalidSchedule
from headrace.core.ids import new_id
from headrace.core.policies import Missed
from headrace.core.schedules import (
    SCHEDULE_KEYS,
    Schedule,
    ScheduleOptions,
    find_zone,
    from_wire,
    jitter,
    kind_of,
    to_wire,
)
from headrace.core.schedules.wire import instant_of
from headrace.store import slots

#: Fields of a schedule that are no timing of their own kind.
OPTION_KEYS = ("start_at", "end_at", "jitter_seconds", "active", "parameters")
#: Fields that belong to one kind: a change of kind drops the others.
_OF_KIND = {
    "cron": ("cron", "day_or"),
    "interval": ("interval_seconds", "anchor_at"),
    "rrule": ("rrule",),
    "once": ("at",),
}
#: µs: 400 days.
_LOOK_BACK = 400 * 86_400_000_000
#: Schedules of one expression share their slots: 10,000 of them cost one computation.
_CACHED = 4096


def schedule_of(row: ScheduleRow) -> Schedule:
    """Return what a row says.

    Raises
    ------
    InvalidSchedule
        It cannot be: written by hand, or its time zone is no longer known here.
    """
    find_zone(row.timezone)
    day_or = False if row.kind == "cron" and not row.day_or else None
    return _schedule(row.cron, day_or, row.interval_seconds, row.anchor_at, row.rrule, row.at, row.timezone)


@lru_cache(maxsize=_CACHED)
def _schedule(
    cron: str | None,
    day_or: bool | None,
    interval_seconds: float | None,
    anchor_at: int | None,
    rrule: str | None,
    at: int | None,
    timezone: str,
) -> Schedule:
    return from_wire(
        {
            "cron": cron,
            "day_or": day_or,
            "interval_seconds": interval_seconds,
            "anchor_at": None if anchor_at is None else instant(anchor_at),
            "rrule": rrule,
            "at": None if at is None else instant(at),
            "timezone": timezone,
        }
    )


def row_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's fields from JSON values: exactly one kind, checked; times without an offset are the zone's.

    Parameters
    ----------
    data : mapping
        Keys of SCHEDULE_KEYS and OPTION_KEYS; None counts as absent.

    Raises
    ------
    InvalidSchedule
        With the field's name.
    """
    schedule = from_wire({key: data.get(key) for key in SCHEDULE_KEYS})
    zone = schedule.timezone
    options: dict[str, Any] = {key: data[key] for key in OPTION_KEYS if data.get(key) is not None}
    for key in ("start_at", "end_at"):
        if key in options:
            options[key] = instant_of(options[key], key, zone)
    checked = ScheduleOptions(**options)
    fields = to_wire(schedule)
    for key in ("anchor_at", "at"):
        moment = getattr(schedule, key, None)
        fields[key] = None if moment is None else micros(moment)
    fields["kind"] = kind_of(schedule)
    fields["day_or"] = True if fields["day_or"] is None else fields["day_or"]
    for key in ("start_at", "end_at"):
        moment = getattr(checked, key)
        fields[key] = None if moment is None else micros(moment)
    fields.update(jitter_seconds=checked.jitter_seconds, active=checked.active, parameters=dict(checked.parameters))
    return fields


def build_row(body: Mapping[str, Any], *, deployment_id: str, owner: str, now: int) -> ScheduleRow:
    """Return the row of a new schedule, checked, with its next time.

    Parameters
    ----------
    body : mapping
        As `row_fields` takes it, and `slug`.
    deployment_id, owner : str
    now : int, µs

    Raises
    ------
    InvalidSchedule
        With the field's name; also when it would never fire.
    """
    fields = row_fields(body)
    row = ScheduleRow(id=new_id(), deployment_id=deployment_id, owner=owner, slug=body.get("slug"), **fields)
    if row.kind == "interval" and body.get("anchor_at") is None:
        # Without an anchor the first slot is one interval from now, and the phase stays where it began.
        row = replace(row, anchor_at=now)
    if row.active:
        check_fires(row, now)
    return with_next(row, now)


def as_body(row: ScheduleRow) -> dict[str, Any]:
    """Return a schedule's fields as `build_row` takes them, absent ones left out."""
    names = (*_OF_KIND.get(row.kind, ()), "timezone", "start_at", "end_at", "jitter_seconds", "slug")
    data = {name: getattr(row, name) for name in names}
    for name in ("anchor_at", "at", "start_at", "end_at"):
        if data.get(name) is not None:
            data[name] = iso(data[name])
    if data.get("day_or") is True:
        del data["day_or"]
    data.update(active=row.active, parameters=dict(row.parameters))
    return {name: value for name, value in data.items() if value is not None}


def slots_after(row: ScheduleRow, after_us: int) -> Iterator[int]:
    """Yield a schedule's slots after an instant, µs, within its start and end."""
    after = after_us if row.start_at is None else max(after_us, row.start_at - 1)
    for slot in slots.iterate(schedule_of(row), instant(max(0, after))):
        us = micros(slot)
        if row.end_at is not None and us > row.end_at:
            return
        yield us


def fire_at(row: ScheduleRow, slot_at: int) -> int:
    """Return when a slot fires, µs: the slot and its jitter, the same for every scheduler."""
    if not row.jitter_seconds:
        return slot_at
    return slot_at + jitter(row.id, instant(slot_at), row.jitter_seconds) // timedelta(microseconds=1)


def next_slot(row: ScheduleRow, after_us: int) -> int | None:
    """Return the first slot after an instant, µs; None when there is none any more."""
    if row.start_at is None and row.end_at is None:
        return _next(schedule_of(row), after_us)
    return next(slots_after(row, after_us), None)


@lru_cache(maxsize=_CACHED)
def _next(schedule: Schedule, after_us: int) -> int | None:
    slot = next(iter(slots.iterate(schedule, instant(max(0, after_us)))), None)
    return None if slot is None else micros(slot)


def with_next(row: ScheduleRow, now: int) -> ScheduleRow:
    """Return a row with its next times, computed from now; none while it is not active.

    Raises
    ------
    InvalidSchedule
    """
    slot = next_slot(row, now) if row.active else None
    return replace(row, next_slot_at=slot, next_fire_at=None if slot is None else fire_at(row, slot), error=None)


def come(row: ScheduleRow, now: int, *, limit: int) -> Missed:
    """Return the undecided slots whose time to fire has come, the newest `limit` of them one by one.

    Parameters
    ----------
    row : ScheduleRow
        Its `next_slot_at` is the first undecided slot.
    now : int, µs
    limit : int
    """
    first = row.next_slot_at if row.next_slot_at is not None else now
    found = _missed(schedule_of(row), first - 1, now, limit, row.end_at)
    if not row.jitter_seconds:
        return found
    due = []
    for slot in found.slots:
        if fire_at(row, micros(slot)) > now:
            break
        due.append(slot)
    return replace(found, slots=tuple(due))


@lru_cache(maxsize=_CACHED)
def _missed(schedule: Schedule, last: int, now: int, limit: int, end_at: int | None) -> Missed:
    end = None if end_at is None else instant(end_at)
    return slots.missed(schedule, instant(last), instant(now), limit, end_at=end)


def previous_slot(row: ScheduleRow, slot_at: int) -> int | None:
    """Return the slot before a slot, µs: with it begins the stretch of time that the slot stands for.

    None where there is none within 400 days (longer than every rule of a year).
    """
    last = row.last_slot_at
    if last is not None and last < slot_at and _next(schedule_of(row), last) == slot_at:
        return last
    return _previous(schedule_of(row), slot_at)


@lru_cache(maxsize=_CACHED)
def _previous(schedule: Schedule, slot_at: int) -> int | None:
    before = slots.missed(schedule, instant(max(0, slot_at - _LOOK_BACK)), instant(slot_at - 1), 1).slots
    return micros(before[-1]) if before else None


def period_seconds(row: ScheduleRow, slot_at: int) -> float:
    """Return the time from a slot to the next one, seconds; infinite when it is the last."""
    following = _next(schedule_of(row), slot_at)
    return float("inf") if following is None else (following - slot_at) / 1_000_000


def check_fires(row: ScheduleRow, now: int) -> None:
    """Refuse a schedule that never fires from now on.

    Raises
    ------
    InvalidSchedule
    """
    slots.check_fires(schedule_of(row), instant(now))
    if next_slot(row, now) is None:
        raise InvalidSchedule("end_at: it never fires before its end; choose a later one", field="end_at")
