"""Recurrence rules, the records of schedules and their words on the wire."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import InvalidSchedule, UsageError
from headrace.core.schedules import (
    CronSchedule,
    IntervalSchedule,
    OneOffSchedule,
    RRuleSchedule,
    ScheduleOptions,
    describe,
    from_wire,
    jitter,
    parse_rrule,
    to_wire,
)

UTC = timezone.utc


def cron(expression: str, **options: Any) -> CronSchedule:
    return CronSchedule(cron=expression, **options)


START = "DTSTART:20260105T090000\n"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "there is no rule"),
        ("every day", "not known"),
        ("FREQ=FORTNIGHTLY", "FREQ is FORTNIGHTLY"),
        ("INTERVAL=2", "FREQ is missing"),
        ("FREQ=DAILY;FREQ=DAILY", "twice"),
        ("FREQ=DAILY;", ""),
        ("FREQ=DAILY;BYEASTER=1", "BYEASTER"),
        ("FREQ=DAILY;INTERVAL=", "no value"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL=-1"),
        ("FREQ=YEARLY;INTERVAL=101", "1 to 100"),
        ("FREQ=DAILY;BYHOUR=24", "0 to 23"),
        ("FREQ=DAILY;BYMINUTE=-1", "0 to 59"),
        ("FREQ=DAILY;BYSECOND=60", "0 to 59"),
        ("FREQ=YEARLY;BYMONTH=13", "1 to 12"),
        ("FREQ=YEARLY;BYMONTHDAY=0", "1 to 31 or the same with a minus"),
        ("FREQ=YEARLY;BYMONTHDAY=-32", "1 to 31"),
        ("FREQ=YEARLY;BYYEARDAY=367", "1 to 366"),
        ("FREQ=YEARLY;BYWEEKNO=54", "1 to 53"),
        ("FREQ=YEARLY;BYSETPOS=0", "1 to 366"),
        ("FREQ=YEARLY;BYMONTH=1,,2", "BYMONTH="),
        ("FREQ=WEEKLY;BYDAY=MON", "BYDAY=MON"),
        ("FREQ=WEEKLY;BYDAY=1MO", "needs FREQ=MONTHLY or YEARLY; write MO"),
        ("FREQ=MONTHLY;BYDAY=6MO", "1 to 5"),
        ("FREQ=MONTHLY;BYDAY=0MO", "1 to 5"),
        ("FREQ=YEARLY;BYDAY=54MO", "1 to 53"),
        ("FREQ=YEARLY;BYWEEKNO=3;BYDAY=1MO", "BYWEEKNO"),
        ("FREQ=WEEKLY;WKST=XX", "WKST=XX"),
        ("FREQ=DAILY;COUNT=3", "DTSTART"),
        (START + "FREQ=DAILY;COUNT=0", "1 to 10000"),
        (START + "FREQ=DAILY;COUNT=10001", "1 to 10000"),
        (START + "FREQ=DAILY;COUNT=3;UNTIL=20270101T000000", "exclude each other"),
        ("FREQ=DAILY;UNTIL=20270101", "UNTIL=20270101T235959"),
        ("FREQ=DAILY;UNTIL=20271301T000000", "no time"),
        ("FREQ=DAILY;UNTIL=99990101T000000", "9999"),
        ("FREQ=DAILY;UNTIL=soon", "no time"),
        ("FREQ=DAILY\nEXDATE:20260105", "EXDATE needs a time"),
        ("DTSTART;TZID=UTC:20260105T090000\nFREQ=DAILY\nEXDATE;TZID=Asia/Tokyo:20260105T090000", "several zones"),
        ("FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=1", "BYSETPOS needs FREQ=DAILY"),
        ("FREQ=DAILY;BYSETPOS=1;BYMINUTE=" + ",".join(map(str, range(60))) + ";BYSECOND=" + ",".join(map(str, range(60))), "3600 times a day"),
        ("RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "two rules"),
        ("RRULE:FREQ=DAILY\nRDATE:20260105T090000", "RDATE"),
        ("RRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY", "EXRULE"),
        (START + START + "FREQ=DAILY", "DTSTART"),
        ("DTSTART:tomorrow\nFREQ=DAILY", "no time"),
        ("DTSTART;LANG=en:20260105T090000\nFREQ=DAILY", "LANG=en"),
        ("FREQ=DAILY\nEXDATE:20260105T090000,x", "no time"),
        ("FREQ=DAILY;BYHOUR=９", "plain letters"),
        ("FREQ=DAILY;BYHOUR=" + "1," * 4000, "6500"),
        ("X" * 6000, "not known"),
    ],
    ids=lambda value: value[:40].replace("\n", " "),
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused_with_the_part_and_the_remedy(text: str, word: str) -> None:
    if not word:
        parse_rrule(text)
        return
    with pytest.raises(InvalidSchedule) as caught:
        parse_rrule(text)
    assert caught.value.field == "rrule"
    assert str(caught.value).startswith("rrule: ")
    assert word in str(caught.value)


def test_a_rule_takes_from_its_start_what_it_does_not_say() -> None:
    fields = parse_rrule("DTSTART;TZID=Europe/Berlin:20260115T093010\nRRULE:FREQ=MONTHLY\nEXDATE:20260215T093010")
    assert (fields.by_month_day, fields.by_hour, fields.by_minute, fields.by_second) == ((15,), (9,), (30,), (10,))
    assert fields.zone == "Europe/Berlin"
    assert fields.excluded == {datetime(2026, 2, 15, 9, 30, 10)}
    assert parse_rrule("freq=weekly").by_day == ((0, 0),)
    assert parse_rrule("DTSTART:20260101T000000Z\nFREQ=YEARLY").zone == "UTC"
    assert parse_rrule("DTSTART;VALUE=DATE:20260301\nFREQ=YEARLY").by_month == (3,)
    assert parse_rrule("FREQ=DAILY\nEXDATE;TZID=Asia/Tokyo:20260301T000000").zone == "Asia/Tokyo"


def test_a_rule_and_its_schedule_agree_on_the_zone() -> None:
    text = "DTSTART;TZID=Europe/Berlin:20260115T093010\nFREQ=DAILY"
    RRuleSchedule(rrule=text, timezone="Europe/Berlin")
    with pytest.raises(InvalidSchedule, match="for Europe/Berlin and the schedule is in UTC") as caught:
        RRuleSchedule(rrule=text)
    assert caught.value.field == "timezone"


NAIVE = datetime(2026, 1, 1)


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        (CronSchedule, {"cron": 5}, "cron"),
        (CronSchedule, {"cron": None}, "cron"),
        (CronSchedule, {"cron": ["0 0 * * *"]}, "cron"),
        (CronSchedule, {"cron": "0 0 * * *", "timezone": "Europe/Berlni"}, "timezone"),
        (CronSchedule, {"cron": "0 0 * * *", "timezone": "../../etc/passwd"}, "timezone"),
        (CronSchedule, {"cron": "0 0 * * *", "timezone": "Europe"}, "timezone"),
        (CronSchedule, {"cron": "0 0 * * *", "timezone": ""}, "timezone"),
        (CronSchedule, {"cron": "0 0 * * *", "timezone": "+02:00"}, "timezone"),
        (CronSchedule, {"cron": "0 0 * * *", "timezone": "A" * 10_000}, "timezone"),
        (CronSchedule, {"cron": "0 0 * * *", "timezone": None}, "timezone"),
        (CronSchedule, {"cron": "0 0 * * *", "timezone": ["UTC"]}, "timezone"),
        (CronSchedule, {"cron": "0 0 * * *", "day_or": "yes"}, "day_or"),
        (IntervalSchedule, {"interval_seconds": 0}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": -5}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": 0.5}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": float("nan")}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": float("inf")}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": 1e300}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": 10**400}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": True}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": "60"}, "interval_seconds"),
        (IntervalSchedule, {"interval_seconds": 60, "anchor_at": NAIVE}, "anchor_at"),
        (IntervalSchedule, {"interval_seconds": 60, "anchor_at": "2026"}, "anchor_at"),
        (IntervalSchedule, {"interval_seconds": 60, "anchor_at": datetime.max.replace(tzinfo=UTC)}, "anchor_at"),
        (IntervalSchedule, {"interval_seconds": 60, "timezone": "Mars/Olympus"}, "timezone"),
        (RRuleSchedule, {"rrule": b"FREQ=DAILY"}, "rrule"),
        (RRuleSchedule, {"rrule": "FREQ=DAILY", "timezone": "Mars"}, "timezone"),
        (OneOffSchedule, {"at": NAIVE}, "at"),
        (OneOffSchedule, {"at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-9)))}, "at"),
        (OneOffSchedule, {"at": datetime(1969, 1, 1, tzinfo=UTC)}, "at"),
        (OneOffSchedule, {"at": 5}, "at"),
        (ScheduleOptions, {"start_at": NAIVE}, "start_at"),
        (ScheduleOptions, {"start_at": NAIVE.replace(tzinfo=UTC), "end_at": datetime(2025, 1, 1, tzinfo=UTC)}, "end_at"),
        (ScheduleOptions, {"jitter_seconds": -1}, "jitter_seconds"),
        (ScheduleOptions, {"jitter_seconds": 90_000}, "jitter_seconds"),
        (ScheduleOptions, {"active": 1}, "active"),
        (ScheduleOptions, {"parameters": [1]}, "parameters"),
        (ScheduleOptions, {"parameters": {1: 2}}, "parameters"),
        (ScheduleOptions, {"parameters": {"a": float("nan")}}, "parameters"),
        (ScheduleOptions, {"parameters": {"a": object()}}, "parameters"),
        (ScheduleOptions, {"parameters": {"a": "x" * (1 << 20)}}, "parameters"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_record_cannot_be_built_wrong(kind: Any, values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        kind(**values)
    assert isinstance(caught.value, UsageError)
    assert caught.value.field == field
    assert field in str(caught.value)
    assert len(str(caught.value)) < 400
    assert pickle.loads(pickle.dumps(caught.value)).field == field


def test_a_wrong_zone_is_answered_with_near_ones() -> None:
    with pytest.raises(InvalidSchedule, match="write Europe/Berlin"):
        cron("0 0 * * *", timezone="europe/berlin")
    with pytest.raises(InvalidSchedule, match="America/New_York"):
        cron("0 0 * * *", timezone="America/New York")


def test_instants_are_kept_in_utc() -> None:
    berlin = datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=1)))
    assert OneOffSchedule(at=berlin).at.isoformat() == "2026-12-01T08:00:00+00:00"


@pytest.mark.parametrize(
    "data",
    [
        {"cron": "0 6 * * 1-5", "timezone": "Europe/Berlin", "day_or": False},
        {"cron": "@daily"},
        {"interval_seconds": 90.5, "anchor_at": "2026-01-01T00:00:00Z"},
        {"interval_seconds": 90},
        {"rrule": "FREQ=DAILY", "timezone": "Asia/Tokyo"},
        {"at": "2026-12-01T09:00:00+01:00", "timezone": "Europe/Berlin"},
        {"at": datetime(2026, 12, 1, tzinfo=UTC)},
    ],
    ids=str,
)
def test_schedules_go_over_the_wire_and_come_back_equal(data: dict[str, Any]) -> None:
    schedule = from_wire(data)
    wire = to_wire(schedule)
    assert from_wire(wire) == schedule
    assert set(wire) == {"kind", "cron", "day_or", "interval_seconds", "anchor_at", "rrule", "at", "timezone"}
    assert hash(schedule) == hash(from_wire(wire))


def test_an_instant_without_an_offset_is_a_wall_time_of_the_zone() -> None:
    def at(text: str) -> str:
        wire = to_wire(from_wire({"at": text, "timezone": "America/New_York"}))
        return str(wire["at"])

    assert at("2026-12-01T09:00") == "2026-12-01T14:00:00.000000Z"
    assert at("2026-03-08T02:30") == "2026-03-08T07:00:00.000000Z"
    assert at("2026-11-01T01:30") == "2026-11-01T05:30:00.000000Z"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "cron"),
        ({"timezone": "UTC"}, "cron"),
        ({"cron": "0 0 * * *", "rrule": "FREQ=DAILY"}, "rrule"),
        ({"cron": "0 0 * * *", "colour": 1}, "colour"),
        ({"cron": "0 0 * * *", "kind": "rrule"}, "kind"),
        ({"cron": "0 0 * * *", "anchor_at": "2026-01-01T00:00Z"}, "anchor_at"),
        ({"interval_seconds": 5, "day_or": True}, "day_or"),
        ({"at": "tomorrow"}, "at"),
        ({"at": 5}, "at"),
        ({"at": "9999-12-31T23:59", "timezone": "America/New_York"}, "at"),
        ({"at": "0001-01-01T00:00", "timezone": "Asia/Tokyo"}, "at"),
        ({"at": "2026-01-01T00:00Z" * 1000}, "at"),
        ({"interval_seconds": 60, "anchor_at": "x"}, "anchor_at"),
        ({"at": "2026-01-01T00:00", "timezone": "Mars"}, "timezone"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_wrong_words_on_the_wire_are_refused_with_their_field(data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        from_wire(data)
    assert caught.value.field == field


def test_jitter_is_the_same_for_all_and_spread_evenly() -> None:
    slots = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(2000)]
    found = [jitter("5f1c", slot, 30.0) for slot in slots]
    assert found == [jitter("5f1c", slot.astimezone(timezone(timedelta(hours=5))), 30.0) for slot in slots]
    assert found != [jitter("5f1d", slot, 30.0) for slot in slots]
    assert all(timedelta(0) <= one <= timedelta(seconds=30) for one in found)
    assert 14 < sum(one.total_seconds() for one in found) / len(found) < 16
    assert jitter("5f1c", slots[0], 0.0) == timedelta(0)


#: Text that looks like schedules: pieces of the grammars, in any order, beside anything at all.
CRON_TEXT = st.lists(
    st.sampled_from([*"0123456789*,-/#@LWHR? ", "MON", "JAN", "10-20", "*/5", "1#2", "@daily", " * ", "59", "\t"]),
    max_size=60,
).map("".join)
RRULE_TEXT = st.lists(
    st.sampled_from(
        "FREQ= DAILY YEARLY SECONDLY ; , : = - + 1 2 30 366 BYDAY= MO -1FR BYMONTH= BYMONTHDAY= BYSETPOS= BYWEEKNO= "
        "UNTIL= 20260101T000000 Z COUNT= INTERVAL= DTSTART: DTSTART;TZID=Europe/Berlin: RRULE: EXDATE: WKST= BYHOUR= T".split()
        + ["\n"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def refusal(call: Callable[[], object]) -> InvalidSchedule | None:
    """Return how a call was refused, None when it was not; any other error passes through."""
    try:
        call()
    except InvalidSchedule as error:
        return error
    return None


@settings(max_examples=1500, deadline=None, database=None)
@given(st.sampled_from([CronSchedule, RRuleSchedule]), st.one_of(CRON_TEXT, RRULE_TEXT, st.text(max_size=200)))
def test_any_text_is_a_schedule_or_refused_and_quickly(kind: Any, text: str) -> None:
    name = "cron" if kind is CronSchedule else "rrule"
    spent = []
    for _ in range(2):
        before = time.process_time()
        error = refusal(lambda: describe(kind(**{name: text})))
        spent.append(time.process_time() - before)
        assert error is None or (error.field == name and error.message)
        if spent[-1] <= 0.05:
            break
    # One slow pass may be a collection of garbage; the text itself would be slow twice.
    assert min(spent) <= 0.05


WIRE_VALUES = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["0 0 * * *", "UTC", "2026-01-01T00:00", "FREQ=DAILY"]),
)
WIRE_KEYS = st.sampled_from("cron interval_seconds anchor_at rrule at timezone day_or kind x".split())


@settings(max_examples=400, deadline=None, database=None)
@given(st.dictionaries(WIRE_KEYS, WIRE_VALUES, max_size=4))
def test_any_words_on_the_wire_are_a_schedule_or_refused(data: dict[str, Any]) -> None:
    error = refusal(lambda: from_wire(data))
    if error is None:
        assert from_wire(to_wire(from_wire(data))) == from_wire(data)
    else:
        assert error.field
