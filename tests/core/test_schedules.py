"""The grammar of schedules, their words, and what is refused with which message."""

from __future__ import annotations

from datetime import timezone
from typing import Any

import pytest

from headrace.core.errors import InvalidSchedule
from headrace.core.schedules import (
    CronSchedule,
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
