"""When schedules fire, above all where clocks are changed."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from headrace.core.schedules import CronSchedule
from headrace.store.slots import slots_between

UTC = timezone.utc


def utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


#: zone, cron, first and last instant looked at, the slots in local time with their offset.
DST_CASES = {
    "New York: a time in the gap is the first instant after it": (
        "America/New_York", "30 2 * * *", "2026-03-07T12:00", "2026-03-09T12:00",
        ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"],
    ),
    "New York: several times in one gap are one": (
        "America/New_York", "0,15,30 2 * * *", "2026-03-08T00:00", "2026-03-09T05:00",
        ["2026-03-08T03:00-04:00"],
    ),
    "New York: a time in the gap and one at its end are one": (
        "America/New_York", "0 2,3 * * *", "2026-03-08T00:00", "2026-03-08T23:00",
        ["2026-03-08T03:00-04:00"],
    ),
    "New York: a time that occurs twice fires at the first": (
        "America/New_York", "30 1 * * *", "2026-10-31T12:00", "2026-11-02T12:00",
        ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
    ),
    "New York: every hour of the day of 25 hours": (
        "America/New_York", "0 * * * *", "2026-11-01T04:00", "2026-11-01T08:00",
        ["2026-11-01T00:00-04:00", "2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00", "2026-11-01T02:00-05:00", "2026-11-01T03:00-05:00"],
    ),
    "New York: minutes of a named hour follow elapsed time, twice": (
        "America/New_York", "*/30 1 * * *", "2026-11-01T04:00", "2026-11-01T12:00",
        ["2026-11-01T01:00-04:00", "2026-11-01T01:30-04:00", "2026-11-01T01:00-05:00", "2026-11-01T01:30-05:00"],
    ),
    "New York: minutes of a named hour that is missing do not fire": (
        "America/New_York", "*/30 2 * * *", "2026-03-08T05:00", "2026-03-09T06:30",
        ["2026-03-09T02:00-04:00", "2026-03-09T02:30-04:00"],
    ),
    "Beirut: midnight does not exist": (
        "Asia/Beirut", "0 0 * * *", "2026-03-27T23:00", "2026-03-30T00:00",
        ["2026-03-29T01:00+03:00", "2026-03-30T00:00+03:00"],
    ),
    "Lord Howe: a gap of half an hour": (
        "Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00", "2026-10-04T16:00",
        ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
    ),
    "Lord Howe: the hour's beginning is missing": (
        "Australia/Lord_Howe", "0 * * * *", "2026-10-03T14:30", "2026-10-03T17:00",
        ["2026-10-04T01:00+10:30", "2026-10-04T03:00+11:00", "2026-10-04T04:00+11:00"],
    ),
    "Lord Howe: half an hour occurs twice": (
        "Australia/Lord_Howe", "*/15 1 * * *", "2026-04-04T13:59", "2026-04-04T16:30",
        [
            "2026-04-05T01:00+11:00", "2026-04-05T01:15+11:00", "2026-04-05T01:30+11:00", "2026-04-05T01:45+11:00",
            "2026-04-05T01:30+10:30", "2026-04-05T01:45+10:30",
        ],
    ),
    "Samoa: a day that never was": (
        "Pacific/Apia", "0 9 * * *", "2011-12-29T00:00", "2011-12-31T10:00",
        ["2011-12-29T09:00-10:00", "2011-12-31T00:00+14:00", "2011-12-31T09:00+14:00"],
    ),
    "Samoa: two times of the day that never was are one": (
        "Pacific/Apia", "0 9,17 * * *", "2011-12-30T05:00", "2011-12-31T00:00",
        ["2011-12-31T00:00+14:00", "2011-12-31T09:00+14:00"],
    ),
    "Lisbon: the gap begins at one": (
        "Europe/Lisbon", "30 1 * * *", "2026-03-28T12:00", "2026-03-30T12:00",
        ["2026-03-29T02:00+01:00", "2026-03-30T01:30+01:00"],
    ),
    "Lisbon: one occurs twice": (
        "Europe/Lisbon", "0 1 * * *", "2026-10-24T12:00", "2026-10-26T12:00",
        ["2026-10-25T01:00+01:00", "2026-10-26T01:00+00:00"],
    ),
    "Cairo: midnight does not exist": (
        "Africa/Cairo", "0 0 * * *", "2026-04-22T23:00", "2026-04-24T23:00",
        ["2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"],
    ),
    "Cairo: the last hour of a day occurs twice": (
        "Africa/Cairo", "59 23 * * *", "2026-10-28T22:00", "2026-10-30T23:00",
        ["2026-10-29T23:59+03:00", "2026-10-30T23:59+02:00"],
    ),
    "Troll: two hours are missing": (
        "Antarctica/Troll", "0 1,2 * * *", "2026-03-28T12:00", "2026-03-30T00:30",
        ["2026-03-29T03:00+02:00", "2026-03-30T01:00+02:00", "2026-03-30T02:00+02:00"],
    ),
    "Troll: two hours occur twice": (
        "Antarctica/Troll", "30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00",
        ["2026-10-25T02:30+02:00", "2026-10-26T02:30+00:00"],
    ),
    "Casablanca: clocks go back for Ramadan": (
        "Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00", "2026-02-16T12:00",
        ["2026-02-15T02:30+01:00", "2026-02-16T02:30+00:00"],
    ),
    "Gaza: a gap that begins at two": (
        "Asia/Gaza", "30 2 * * *", "2026-03-27T12:00", "2026-03-28T12:00",
        ["2026-03-28T03:00+03:00"],
    ),
    "Dublin: winter time is the negative one": (
        "Europe/Dublin", "30 1 * * *", "2026-10-24T12:00", "2026-10-26T12:00",
        ["2026-10-25T01:30+01:00", "2026-10-26T01:30+00:00"],
    ),
    "Kathmandu: no change, an offset of a quarter": (
        "Asia/Kathmandu", "0 6 * * *", "2026-03-28T12:00", "2026-03-30T00:20",
        ["2026-03-29T06:00+05:45", "2026-03-30T06:00+05:45"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("zone", "expression", "start", "end", "expected"), DST_CASES.values(), ids=DST_CASES)
def test_where_clocks_are_changed(zone: str, expression: str, start: str, end: str, expected: list[str]) -> None:
    schedule = CronSchedule(cron=expression, timezone=zone)
    assert slots_between(schedule, utc(start), utc(end), 100) == [utc(slot) for slot in expected]
