"""The grammar of schedules, their words, and what is refused with which message."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from headrace.core.errors import InvalidSchedule
from headrace.core.schedules import (
    CronSchedule,
    IntervalSchedule,
    OneOffSchedule,
    RRuleSchedule,
    describe,
    parse_cron,
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
