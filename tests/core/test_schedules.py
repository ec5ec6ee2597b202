"""The grammar of schedules, their words, and what is refused with which message."""

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
    parse_cron,
    parse_rrule,
    to_wire,
)

UTC = timezone.utc


def cron(expression: str, **options: Any) -> CronSchedule:
    return CronSchedule(cron=expression, **options)


@pytest.mark.parametrize(
    ("expression", "written_out"),
    [
        ("0 6 * * 1-5", "0 6 * * 1,2,3,4,5"),
        ("*/15 * * * *", "0,15,30,45 * * * *"),
        ("0-59 0-23 1-31 1-12 0-6", "* * * * *"),
        ("0 0 * * 0-7", "0 0 * * *"),
        ("0 0 * * 1-7", "0 0 * * *"),
        ("*/1 * * * *", "* * * * *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * fri-sun", "0 0 * * 0,5,6"),
        ("0 0 * * MON-SUN", "0 0 * * *"),
        ("0 0 * * sun-tue", "0 0 * * 0,1,2"),
        ("0 0 * jan,DEC *", "0 0 * 1,12 *"),
        ("0 0 * JAN-mar *", "0 0 * 1,2,3 *"),
        ("5-20/5,7 * * * *", "5,7,10,15,20 * * * *"),
        ("05 06 * * *", "5 6 * * *"),
        ("0 0 L * *", "0 0 L * *"),
        ("0 0 15,L * *", "0 0 15,L * *"),
        ("0 0 * * 1#2", "0 0 * * 1#2"),
        ("0 0 * * FRI#1,MON#3", "0 0 * * 1#3,5#1"),
        ("0 0 * * 7#5", "0 0 * * 0#5"),
        ("0 0 1-31/2 * 1", "0 0 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 * 1"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        (" @Yearly ", "0 0 1 1 *"),
        ("\t0  6 *\t* * ", "0 6 * * *"),
    ],
)
def test_an_expression_has_one_meaning(expression: str, written_out: str) -> None:
    assert parse_cron(expression).expression == written_out


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("99 * * * *", ["field 1 (minute)", "character 1", "0 to 59"]),
        ("0 24 * * *", ["field 2 (hour)", "character 3", "0 to 23"]),
        ("0 0 0 * *", ["field 3 (day of month)", "1 to 31"]),
        ("0 0 1 13 *", ["field 4 (month)", "1 to 12"]),
        ("0 0 * * 8", ["field 5 (weekday)", "0 to 7"]),
        ("0 0 1,2,99 * *", ["field 3", "character 9"]),
        ("9-9 * * * *", ["one value", "write 9"]),
        ("0 0 * * 7-7", ["one value", "write 7"]),
        ("0 22-2 * * *", ["backwards", "write 22-23,0-2"]),
        ("0 23-1 * * *", ["write 23,0-1"]),
        ("0 0 * * FRI-MON", ["backwards", "write 5-6,0-1"]),
        ("0 0 * * 7-2", ["write 0-2"]),
        ("0 0 * NOV-FEB *", ["write 11-12,1-2"]),
        ("5/15 * * * *", ["no range", "write 5-59/15"]),
        ("59/15 * * * *", ["no range"]),
        ("*/0 * * * *", ["no step"]),
        ("*/x * * * *", ["no step"]),
        ("*/90 * * * *", ["longer than its range", "interval"]),
        ("1-5/9 * * * *", ["longer than its range"]),
        ("*,5 * * * *", ["every value already"]),
        (", * * * *", ["beside a comma"]),
        ("1,,2 * * * *", ["beside a comma", "character 3"]),
        ("H * * * *", ["jitter_seconds"]),
        ("R R * * *", ["jitter_seconds"]),
        ("0 0 15W * *", ["RRULE"]),
        ("0 0 LW * *", ["RRULE"]),
        ("0 0 L-3 * *", ["field 3"]),
        ("0 0 * * 5L", ["RRULE"]),
        ("0 0 ? * 1", ["write *"]),
        ("0 0 * * 1#6", ["1 to 5"]),
        ("0 0 * * 1#2,3", ["mixed"]),
        ("0 0 * * MONDAY", ["write MON"]),
        ("0 0 * * MO", ["field 5", "MON-FRI"]),
        ("0 0 */2 * 1", ["field 3 (day of month)", "both", "list the values: 1,3,5"]),
        ("0 0 1 * */2", ["field 5 (weekday)", "list the values: 0,2,4,6"]),
        ("0 0 31 2 *", ["day 31 never comes in February", "write L"]),
        ("0 0 30 2 1", ["never comes", "leave it out"]),
        ("0 0 31 4,6,9,11 *", ["never comes in April or June or September or November"]),
        ("0 0 * * * *", ["6 fields", "interval_seconds"]),
        ("0 0 * * * * *", ["7 fields", "interval_seconds"]),
        ("0 0 * *", ["4 fields"]),
        ("", ["0 fields"]),
        ("@reboot", ["@reboot"]),
        ("@midnight", ["write @daily"]),
        ("@annually", ["write @yearly"]),
        ("@every 5m", ["@every", "@hourly"]),
        ("-1 * * * *", ["field 1"]),
        ("1-2-3 * * * *", ["field 1"]),
        ("1-5/2/2 * * * *", ["no step"]),
        ("٣ * * * *", ["plain letters"]),
        ("0 0 * * *\n", ["plain letters"]),
        ("0 0 * * *\x00", ["plain letters"]),
        ("0 0 1 1 " + "1," * 70 + "1", ["characters", "128"]),
        ("1" * 100 + " * * * *", ["field 1"]),
    ],
)
def test_a_doubtful_expression_is_refused_with_its_place_and_the_remedy(expression: str, words: list[str]) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse_cron(expression)
    assert caught.value.field == "cron"
    assert str(caught.value).startswith("cron")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("expression", ["0 0 28 * 1#4", "0 0 L 2 1#5", "0 0 29 2 1"])
def test_days_that_meet_only_in_some_years_are_allowed_when_both_must_match(expression: str) -> None:
    cron(expression, day_or=False)


def test_days_that_never_meet_are_refused_when_both_must_match() -> None:
    with pytest.raises(InvalidSchedule, match="never in that week"):
        cron("0 0 1-7 * 1#2", day_or=False)
    cron("0 0 1-7 * 1#2")


@pytest.mark.parametrize(
    ("expression", "fixed"),
    [
        ("30 2 * * *", True),
        ("0,15,30 2,3 * * *", True),
        ("30 * * * *", False),
        ("* 2 * * *", False),
        ("*/15 2 * * *", False),
        ("0 */2 * * *", False),
        ("0-59 2 * * *", False),
        ("0 0-23 * * *", False),
    ],
)
def test_a_star_in_minute_or_hour_makes_an_expression_follow_elapsed_time(expression: str, fixed: bool) -> None:
    assert parse_cron(expression).fixed is fixed


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (cron("0 6 * * 1-5"), "At 06:00, Monday to Friday"),
        (cron("* * * * *"), "Every minute"),
        (cron("*/15 * * * *"), "Every 15 minutes"),
        (cron("*/10 * * 1 *"), "Every 10 minutes, in January"),
        (cron("0 * * * *"), "Every hour"),
        (cron("1 * * * *"), "Every hour at 1 minute past"),
        (cron("15,45 * * * *"), "Every hour at 15 and 45 minutes past"),
        (cron("0 */2 * * *"), "Every 2 hours"),
        (cron("* 9 * * *"), "Every minute from 09:00 to 09:59, every day"),
        (cron("*/15 9-17 * * MON-FRI"), "Every 15 minutes from 09:00 to 17:45, Monday to Friday"),
        (cron("*/30 1,5 * * *"), "Every 30 minutes in the hours 01 and 05, every day"),
        (cron("30 9-17 * * *"), "Every hour from 09:30 to 17:30, every day"),
        (cron("0 9,17 * * *"), "At 09:00 and 17:00, every day"),
        (cron("1-9 3 * 6-8 *"), "At 1, 2, 3, 4, 5, 6 and 3 more minutes past 03:00, in June to August"),
        (cron("0,1,3,4 1-9/2 * * 0"), "At 0, 1, 3 and 4 minutes past the hours 01, 03, 05, 07 and 09, on Sunday"),
        (cron("0 0 1 * *"), "At 00:00, on day 1 of the month"),
        (cron("0 9 1,15 1,7 *"), "At 09:00, on days 1 and 15 of January and July"),
        (cron("0 0 1-7 * *"), "At 00:00, on days 1 to 7 of the month"),
        (cron("0 0 L * *"), "At 00:00, on the last day of the month"),
        (cron("0 0 15,L 2 *"), "At 00:00, on day 15 and the last day of February"),
        (cron("0 9 * * 1#2"), "At 09:00, on the second Monday of the month"),
        (cron("0 9 * 1-3 1#1,5#2"), "At 09:00, on the first Monday and the second Friday of January to March"),
        (cron("0 0 * * 6,0"), "At 00:00, on Saturday and Sunday"),
        (cron("0 0 * 5 1-5"), "At 00:00, Monday to Friday, in May"),
        (cron("0 0 13 * 5"), "At 00:00, on day 13 of the month or on Friday"),
        (cron("0 0 13 5 5"), "At 00:00, on day 13 of May or on Friday in May"),
        (cron("0 0 13 * 5", day_or=False), "At 00:00, on day 13 of the month, only where it is Friday"),
        (IntervalSchedule(interval_seconds=3600), "Every hour"),
        (IntervalSchedule(interval_seconds=90), "Every 1 minute 30 seconds"),
        (IntervalSchedule(interval_seconds=1.5), "Every 1.5 seconds"),
        (IntervalSchedule(interval_seconds=604_800), "Every 7 days"),
        (
            IntervalSchedule(
                interval_seconds=60, anchor_at=datetime(2026, 11, 24, 5, tzinfo=UTC), timezone="Asia/Kolkata"
            ),
            "Every minute, counted from 24 November 2026 10:30",
        ),
        (
            OneOffSchedule(at=datetime(2026, 12, 1, 8, tzinfo=UTC), timezone="Europe/Berlin"),
            "Once, on 1 December 2026 at 09:00",
        ),
        (RRuleSchedule(rrule="FREQ=DAILY"), "Every day at 00:00"),
        (
            RRuleSchedule(rrule="FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,MO;BYHOUR=9"),
            "Every 2 weeks on Monday and Friday at 09:00",
        ),
        (RRuleSchedule(rrule="FREQ=WEEKLY;BYDAY=MO,TU,WE"), "Every week on Monday to Wednesday at 00:00"),
        (
            RRuleSchedule(rrule="FREQ=MONTHLY;BYDAY=-1FR,2MO"),
            "Every month on the second Monday and the last Friday at 00:00",
        ),
        (
            RRuleSchedule(rrule="FREQ=MONTHLY;BYDAY=-2FR"),
            "Every month on the second from the end Friday at 00:00",
        ),
        (RRuleSchedule(rrule="FREQ=YEARLY"), "Every year on 1 January at 00:00"),
        (
            RRuleSchedule(rrule="FREQ=YEARLY;BYYEARDAY=-1,100"),
            "Every year on day 100 and the last day of the year at 00:00",
        ),
        (RRuleSchedule(rrule="FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"), "Every year in week 20 on Monday at 00:00"),
        (
            RRuleSchedule(rrule="FREQ=MONTHLY;BYMONTHDAY=-1,-2,15;BYMONTH=1,2,3"),
            "Every month in January to March on day 15, day 2 from the end and the last day at 00:00",
        ),
        (
            RRuleSchedule(rrule="FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;UNTIL=20271231T235959Z"),
            "Every month on Monday to Friday at 00:00 (only the last of these), until 31 December 2027 23:59:59 UTC",
        ),
        (RRuleSchedule(rrule="FREQ=HOURLY;INTERVAL=5;BYMINUTE=30"), "Every 5 hours at minute 30"),
        (RRuleSchedule(rrule="FREQ=SECONDLY;BYHOUR=3;BYSECOND=5"), "Every second in the hour 03 at second 5"),
        (RRuleSchedule(rrule="FREQ=DAILY;BYHOUR=0,1,2,3,4;BYMINUTE=0,30"), "Every day at 10 times of the day"),
        (
            RRuleSchedule(rrule="DTSTART:20260101T090000\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20260102T090000"),
            "Every day at 09:00, 4 times, except 2 January 2026",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_schedule_is_told_in_one_sentence(schedule: Any, sentence: str) -> None:
    assert describe(schedule) == sentence


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
    assert parse_rrule("DTSTART:20260301\nFREQ=YEARLY").by_month == (3,)


def test_a_rule_and_its_schedule_agree_on_the_zone() -> None:
    text = "DTSTART;TZID=Europe/Berlin:20260115T093010\nFREQ=DAILY"
    RRuleSchedule(rrule=text, timezone="Europe/Berlin")
    with pytest.raises(InvalidSchedule, match="Europe/Berlin and the schedule in UTC") as caught:
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
