"""Schedules as JSON values, and back (docs/developer/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headrace.core.clock import iso, micros
from headrace.core.errors import InvalidSchedule
from headrace.core.schedules.records import (
    CronSchedule,
    IntervalSchedule,
    OneOffSchedule,
    RRuleSchedule,
    Schedule,
)
from headrace.core.schedules.zones import find_zone, first_instant

#: Each kind of schedule with the field that makes it one.
KIND_FIELDS = {"cron": "cron", "interval": "interval_seconds", "rrule": "rrule", "once": "at"}
#: The fields that belong to one kind only.
_COMPANIONS = {"day_or": "cron", "anchor_at": "interval"}
SCHEDULE_KEYS = frozenset({"kind", "timezone", *KIND_FIELDS.values(), *_COMPANIONS})


def kind_of(schedule: Schedule) -> str:
    """Return "cron", "interval", "rrule" or "once"."""
    if isinstance(schedule, CronSchedule):
        return "cron"
    if isinstance(schedule, IntervalSchedule):
        return "interval"
    return "rrule" if isinstance(schedule, RRuleSchedule) else "once"


def to_wire(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as JSON values: every key of `SCHEDULE_KEYS`, None where it has none."""
    data: dict[str, Any] = {key: getattr(schedule, key, None) for key in sorted(SCHEDULE_KEYS)}
    data["kind"] = kind_of(schedule)
    for key in ("anchor_at", "at"):
        if data[key] is not None:
            data[key] = iso(micros(data[key]))
    return data


def from_wire(data: Mapping[str, Any]) -> Schedule:
    """Return the schedule that JSON values describe.

    Parameters
    ----------
    data : mapping
        Exactly one of `cron`, `interval_seconds`, `rrule` and `at`; with it `timezone`,
        `day_or` (cron) and `anchor_at` (interval). None counts as absent. `at` and
        `anchor_at` are ISO 8601 text or aware datetimes; text without an offset is a wall time in `timezone`.

    Raises
    ------
    InvalidSchedule
        With the name of the field that is wrong.
    """
    given = {key: value for key, value in data.items() if value is not None}
    for key in given:
        if key not in SCHEDULE_KEYS:
            raise InvalidSchedule(f"{str(key)[:64]}: schedules have no such field; leave it out", field=str(key)[:64])
    kinds = [kind for kind, key in KIND_FIELDS.items() if key in given]
    if len(kinds) != 1:
        found = " and ".join(KIND_FIELDS[kind] for kind in kinds) or "none"
        raise InvalidSchedule(
            f"schedule: {found} given; give exactly one of cron, interval_seconds, rrule and at",
            field=KIND_FIELDS[kinds[1]] if kinds else "cron",
        )
    kind = kinds[0]
    if given.get("kind", kind) != kind:
        raise InvalidSchedule(f"kind: it is {kind!r} when {KIND_FIELDS[kind]} is given; leave it out", field="kind")
    for key, owner in _COMPANIONS.items():
        if key in given and owner != kind:
            raise InvalidSchedule(f"{key}: it belongs to {KIND_FIELDS[owner]}; leave it out", field=key)
    zone = given.get("timezone", "UTC")
    if kind == "cron":
        return CronSchedule(cron=given["cron"], timezone=zone, day_or=given.get("day_or", True))
    if kind == "rrule":
        return RRuleSchedule(rrule=given["rrule"], timezone=zone)
    if kind == "once":
        return OneOffSchedule(at=instant_of(given["at"], "at", zone), timezone=zone)
    seconds = given["interval_seconds"]
    if "anchor_at" not in given:
        return IntervalSchedule(interval_seconds=seconds, timezone=zone)
    anchor = instant_of(given["anchor_at"], "anchor_at", zone)
    return IntervalSchedule(interval_seconds=seconds, anchor_at=anchor, timezone=zone)


def instant_of(value: object, name: str, zone: str = "UTC") -> datetime:
    """Return an instant from ISO 8601 text or an aware datetime.

    Parameters
    ----------
    value : str or datetime
    name : str
        The field's name, for the error.
    zone : str, default "UTC"
        Where text without an offset is a wall time.

    Raises
    ------
    InvalidSchedule
        With `field` `name`.
    """
    place = find_zone(zone)
    if isinstance(value, str):
        text = value.strip()
        try:
            if len(text) > 40:
                raise ValueError
            value = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
            if value.tzinfo is None:
                value = first_instant(value, place)
        except (ValueError, OverflowError):
            raise InvalidSchedule(
                f"{name}: {text[:40]!r} is no date and time; write e.g. 2026-12-01T09:00", field=name
            ) from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidSchedule(f"{name}: write a date and time with its zone, e.g. 2026-12-01T09:00Z", field=name)
    return value
