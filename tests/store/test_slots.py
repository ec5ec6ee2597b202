"""When schedules fire, above all where clocks are changed."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.core.errors import InvalidSchedule, UsageError
from headrace.core.policies import CatchUp, plan_catch_up
from headrace.core.schedules import LATEST, CronSchedule, IntervalSchedule, OneOffSchedule, RRuleSchedule, find_zone
from headrace.core.schedules.zones import steady_until
from headrace.store import slots
from headrace.store.slots import (
    check_fires,
    missed,
    next_slot,
    next_slots,
    period_seconds,
    slots_between,
    tzdata_version,
)

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


def local(slots: list[datetime], zone: str) -> list[str]:
    return [slot.astimezone(find_zone(zone)).isoformat(timespec="minutes") for slot in slots]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-11-01T01:29:59-04:00", "2026-11-01T01:30-04:00"),
        ("2026-11-01T01:30:00-04:00", "2026-11-02T01:30-05:00"),
        ("2026-11-01T01:10:00-05:00", "2026-11-02T01:30-05:00"),
        ("2026-11-01T01:30:00-05:00", "2026-11-02T01:30-05:00"),
        ("2026-11-01T02:00:00-05:00", "2026-11-02T01:30-05:00"),
    ],
)
def test_asked_within_an_hour_that_occurs_twice_the_first_pass_counts(after: str, expected: str) -> None:
    schedule = CronSchedule(cron="30 1 * * *", timezone="America/New_York")
    assert next_slot(schedule, utc(after)) == utc(expected)


def test_elapsed_time_goes_on_after_a_step_back_when_nothing_else_is_left_of_the_day() -> None:
    schedule = CronSchedule(cron="30 * 1 11 *", timezone="America/New_York")
    slots = next_slots(schedule, utc("2026-11-02T04:00"), 2)
    assert local(slots, "America/New_York") == ["2026-11-01T23:30-05:00", "2027-11-01T00:30-04:00"]
    twice = slots_between(schedule, utc("2026-11-01T04:00"), utc("2026-11-02T05:00"), 100)
    assert len(twice) == 25


def test_the_last_hour_of_a_day_occurs_twice_for_stars() -> None:
    schedule = CronSchedule(cron="*/30 23 29 10 *", timezone="Africa/Cairo")
    assert local(next_slots(schedule, utc("2026-10-29T12:00"), 5), "Africa/Cairo") == [
        "2026-10-29T23:00+03:00",
        "2026-10-29T23:30+03:00",
        "2026-10-29T23:00+02:00",
        "2026-10-29T23:30+02:00",
        "2027-10-29T23:00+02:00",
    ]


@pytest.mark.parametrize(
    ("rule", "zone", "after", "expected"),
    [
        pytest.param(
            "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "America/New_York", "2026-03-07T12:00",
            ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"], id="a wall time in the gap",
        ),
        pytest.param(
            "FREQ=DAILY;BYHOUR=1;BYMINUTE=30", "America/New_York", "2026-10-31T12:00",
            ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"], id="a wall time that occurs twice",
        ),
        pytest.param(
            "FREQ=HOURLY", "America/New_York", "2026-11-01T04:30",
            ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00", "2026-11-01T02:00-05:00"], id="hours follow elapsed time",
        ),
        pytest.param(
            "FREQ=MINUTELY;INTERVAL=30", "America/New_York", "2026-03-08T06:15",
            ["2026-03-08T01:30-05:00", "2026-03-08T03:00-04:00"], id="minutes skip what does not exist",
        ),
        pytest.param(
            "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9", "Europe/Berlin", "2026-11-24T00:00",
            ["2026-11-27T09:00+01:00", "2026-12-25T09:00+01:00", "2027-01-29T09:00+01:00"], id="last Fridays",
        ),
        pytest.param(
            "DTSTART:20261127T090000\nRRULE:FREQ=DAILY;COUNT=2", "Europe/Berlin", "2026-11-24T00:00",
            ["2026-11-27T09:00+01:00", "2026-11-28T09:00+01:00"], id="a count",
        ),
        pytest.param(
            "FREQ=DAILY;BYHOUR=9;UNTIL=20261126T080000Z", "Europe/Berlin", "2026-11-24T12:00",
            ["2026-11-25T09:00+01:00", "2026-11-26T09:00+01:00"], id="until an instant, included",
        ),
        pytest.param(
            "FREQ=HOURLY;UNTIL=20261101T013000", "America/New_York", "2026-11-01T04:30",
            ["2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00"], id="until a wall time that occurs twice",
        ),
        pytest.param(
            "RRULE:FREQ=DAILY;BYHOUR=9\nEXDATE:20261125T090000\nEXDATE:20261126T080000Z", "Europe/Berlin", "2026-11-24T12:00",
            ["2026-11-27T09:00+01:00", "2026-11-28T09:00+01:00"], id="exceptions as wall time and instant",
        ),
    ],
)  # fmt: skip
def test_rules_fire_by_the_same_clocks(rule: str, zone: str, after: str, expected: list[str]) -> None:
    schedule = RRuleSchedule(rrule=rule, timezone=zone)
    assert local(next_slots(schedule, utc(after), len(expected)), zone) == expected


def test_a_rule_that_has_ended_has_no_next_slot() -> None:
    for rule in ("FREQ=HOURLY;UNTIL=20260101T000000", "FREQ=DAILY;UNTIL=20260101T000000Z"):
        for zone in ("UTC", "America/New_York"):
            before = time.process_time()
            assert next_slot(RRuleSchedule(rrule=rule, timezone=zone), utc("2026-11-24")) is None
            assert time.process_time() - before < 0.5


def test_an_interval_is_elapsed_time_and_keeps_its_phase() -> None:
    schedule = IntervalSchedule(interval_seconds=3600, anchor_at=utc("2026-01-01T00:10"), timezone="America/New_York")
    across = slots_between(schedule, utc("2026-11-01T04:00"), utc("2026-11-01T08:00"), 10)
    assert [slot.isoformat() for slot in across] == [f"2026-11-01T{hour:02}:10:00+00:00" for hour in range(4, 8)]
    assert next_slot(schedule, utc("2025-12-31T20:00")) == utc("2025-12-31T20:10")
    tenths = IntervalSchedule(interval_seconds=1.1, anchor_at=utc("2026-01-01"))
    far = utc("2126-01-01")
    slot = next_slot(tenths, far)
    assert slot is not None
    assert (slot - utc("2026-01-01")) % timedelta(seconds=1.1) == timedelta(0)
    assert next_slots(tenths, slot - timedelta(microseconds=1), 1) == [slot]


def test_a_one_off_fires_once() -> None:
    schedule = OneOffSchedule(at=utc("2026-12-01T08:00"), timezone="Europe/Berlin")
    assert next_slots(schedule, utc("2026-11-24"), 5) == [utc("2026-12-01T08:00")]
    assert next_slot(schedule, utc("2026-12-01T08:00")) is None
    assert slots_between(schedule, utc("2026-12-01T08:00"), utc("2026-12-01T08:00"), 5) == [utc("2026-12-01T08:00")]
    assert period_seconds(schedule, utc("2026-12-01T08:00")) == float("inf")


@pytest.mark.parametrize(
    "after",
    [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))],
    ids=["the first instant there is", "the last one", "one past the last"],
)  # fmt: skip
@pytest.mark.parametrize("cron", ["* * * * *", "30 2 * * *", "0 0 29 2 *"])
def test_the_ends_of_the_calendar_are_no_error(cron: str, after: datetime) -> None:
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
        for schedule in (CronSchedule(cron=cron, timezone=zone), IntervalSchedule(interval_seconds=60, timezone=zone)):
            slots = next_slots(schedule, after, 2)
            assert len(slots) == (2 if after.year == 1 else 0)
            assert all(slot.year in (1970, 1972, 1976) for slot in slots)


def test_nothing_fires_after_the_last_year() -> None:
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
        for schedule in (CronSchedule(cron="* * * * *", timezone=zone), IntervalSchedule(interval_seconds=60)):
            fires = next_slots(schedule, LATEST - timedelta(days=2), 10_000)
            assert 1000 < len(fires) < 2881
            assert fires[-1] < LATEST


def test_an_instant_without_a_zone_is_refused() -> None:
    schedule, naive, aware = CronSchedule(cron="* * * * *"), datetime(2026, 1, 1), utc("2026-01-01")
    with pytest.raises(UsageError, match="time zone"):
        next_slot(schedule, naive)
    for start, end in ((naive, aware), (aware, naive)):
        with pytest.raises(UsageError, match="time zone"):
            slots_between(schedule, start, end, 5)
        with pytest.raises(UsageError, match="time zone"):
            missed(schedule, start, end, 5)


def test_a_zone_that_has_vanished_is_refused_by_name() -> None:
    schedule = CronSchedule(cron="0 0 * * *", timezone="America/New_York")
    object.__setattr__(schedule, "timezone", "America/Atlantis")
    with pytest.raises(InvalidSchedule, match="Atlantis") as caught:
        next_slot(schedule, utc("2026-01-01"))
    assert caught.value.field == "timezone"


def test_slots_are_few_when_few_are_asked_for() -> None:
    schedule = CronSchedule(cron="* * * * *")
    assert next_slots(schedule, utc("2026-01-01"), 0) == []
    assert next_slots(schedule, utc("2026-01-01"), -3) == []
    assert len(next_slots(schedule, utc("2026-01-01"), 10**9)) == 10_000
    assert slots_between(schedule, utc("2026-01-01T00:00"), utc("2026-01-01T00:03"), 3) == [
        utc(f"2026-01-01T00:0{minute}") for minute in range(3)
    ]
    assert slots_between(schedule, utc("2026-01-02"), utc("2026-01-01"), 3) == []
    assert period_seconds(schedule, utc("2026-01-01")) == 60


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (RRuleSchedule(rrule="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "rrule"),
        (RRuleSchedule(rrule="FREQ=HOURLY;INTERVAL=2;BYHOUR=1"), "rrule"),
        (RRuleSchedule(rrule="DTSTART:20260101T000000\nRRULE:FREQ=DAILY;UNTIL=20251231T000000"), "rrule"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_schedule_that_never_fires_is_refused(schedule: Any, field: str) -> None:
    with pytest.raises(InvalidSchedule, match="never fires") as caught:
        check_fires(schedule)
    assert caught.value.field == field


def test_a_schedule_that_is_over_is_refused_only_when_asked_about_now() -> None:
    schedule = OneOffSchedule(at=utc("2026-01-01"))
    assert check_fires(schedule) == utc("2026-01-01")
    with pytest.raises(InvalidSchedule, match="never fires after 2026-11-24 00:00 UTC") as caught:
        check_fires(schedule, utc("2026-11-24"))
    assert caught.value.field == "at"
    assert check_fires(CronSchedule(cron="0 0 29 2 *"), utc("2026-11-24")) == utc("2028-02-29")


MINUTELY = CronSchedule(cron="* * * * *", timezone="Europe/Berlin")
NOW = utc("2026-11-24T12:00:03")


def test_what_was_missed_is_counted_from_the_last_decision() -> None:
    found = missed(CronSchedule(cron="*/5 * * * *"), utc("2026-11-24T11:00"), NOW, 100)
    assert len(found.slots) == 12
    assert (found.slots[0], found.slots[-1]) == (utc("2026-11-24T11:05"), utc("2026-11-24T12:00"))
    assert found.earlier_from is None
    assert missed(MINUTELY, NOW, NOW, 5).slots == ()
    assert missed(MINUTELY, NOW + timedelta(hours=1), NOW, 5).slots == ()


def test_only_the_newest_missed_slots_are_listed_and_the_rest_has_its_bounds() -> None:
    found = missed(MINUTELY, NOW - timedelta(days=7), NOW, 3)
    assert found.slots == tuple(utc(f"2026-11-24T{text}") for text in ("11:58", "11:59", "12:00"))
    assert (found.earlier_from, found.earlier_to) == (utc("2026-11-17T12:01"), utc("2026-11-24T11:57"))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
@pytest.mark.parametrize(
    "schedule",
    [
        MINUTELY,
        CronSchedule(cron="0 0 1 1 *"),
        CronSchedule(cron="*/7 3 * * 1", timezone="America/New_York"),
        CronSchedule(cron="0 0 29 2 *"),
        IntervalSchedule(interval_seconds=1000),
        OneOffSchedule(at=utc("2026-10-01")),
        RRuleSchedule(rrule="FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20260901T000000"),
        RRuleSchedule(rrule="FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,1,2,3"),
    ],
    ids=str,
)
def test_looking_back_finds_what_walking_through_finds(schedule: Any, limit: int) -> None:
    for days in (0.01, 1, 40, 900):
        last = NOW - timedelta(days=days)
        every = slots_between(schedule, last + timedelta(microseconds=1), NOW, 10_000)
        if len(every) == 10_000:
            continue
        found = missed(schedule, last, NOW, limit)
        assert list(found.slots) == every[-limit:]
        before = every[:-limit]
        assert (found.earlier_from, found.earlier_to) == ((before[0], before[-1]) if before else (None, None))


def test_a_schedule_misses_nothing_outside_its_own_bounds() -> None:
    found = missed(
        MINUTELY, NOW - timedelta(days=7), NOW, 10, start_at=utc("2026-11-20T10:00"), end_at=utc("2026-11-20T10:02")
    )
    assert found.slots == tuple(utc(f"2026-11-20T10:0{minute}") for minute in range(3))
    assert missed(MINUTELY, NOW - timedelta(days=1), NOW, 10, end_at=utc("2026-01-01")).slots == ()


def test_a_week_of_missed_minutes_of_many_schedules_is_decided_quickly() -> None:
    policy = CatchUp()
    before = time.process_time()
    rows = 0
    for number in range(500):
        found = missed(MINUTELY, NOW - timedelta(days=7, seconds=number), NOW, policy.slots_wanted)
        rows += len(plan_catch_up(found, policy, NOW, period_seconds=60))
    # 10,000 schedules may take 30 s (reliability reference, F-24).
    assert time.process_time() - before < 1.5
    assert rows <= 500 * (policy.slots_wanted + 1)


def test_the_next_slot_of_usual_schedules_takes_microseconds() -> None:
    schedules = [
        CronSchedule(cron=cron, timezone="Europe/Berlin")
        for cron in ("0 6 * * 1-5", "*/15 * * * *", "* * * * *", "0 0 1 * *", "0 0 L * *", "0 9 * * 1#2", "0 0 13 * 5")
    ]
    best = {schedule.cron: 1.0 for schedule in schedules}
    for schedule in schedules:
        for _ in range(50):
            before = time.perf_counter()
            next_slot(schedule, NOW)
            best[schedule.cron] = min(best[schedule.cron], time.perf_counter() - before)
    assert max(best.values()) < 200e-6, best


def test_the_time_zone_data_has_a_version_or_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert tzdata_version()[:2] == "20"
    look = slots.tzdata_version.__wrapped__
    (tmp_path / "UTC").touch()
    monkeypatch.setattr(slots, "TZPATH", (str(tmp_path / "absent"), str(tmp_path)))
    assert look() == ""
    (tmp_path / "tzdata.zi").write_text("# version 2026z\n# rules\n")
    assert look() == "2026z"
    monkeypatch.setattr(slots, "TZPATH", ())
    monkeypatch.setitem(sys.modules, "tzdata", SimpleNamespace(IANA_VERSION="2026y"))
    assert look() == "2026y"
    monkeypatch.setitem(sys.modules, "tzdata", None)
    assert look() == ""


def test_a_steady_stretch_has_one_offset() -> None:
    zone = find_zone("America/New_York")
    assert steady_until(utc("2026-03-01"), "America/New_York") == utc("2026-03-08T07:00")
    assert steady_until(utc("2026-03-08T07:00"), "America/New_York") == utc("2026-11-01T06:00")
    assert steady_until(utc("2026-12-01"), "America/New_York") == utc("2027-01-01")
    assert utc("2026-03-08T07:00").astimezone(zone).utcoffset() == timedelta(hours=-4)
