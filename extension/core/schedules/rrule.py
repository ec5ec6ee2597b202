"""The grammar of recurrence rules: iCalendar's RRULE (RFC 5545, 3.3.10), read strictly.

::

    DTSTART:20260105T090000
    RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;UNTIL=20271231T235959
    EXDATE:20260413T090000

`RRULE:` may be left out, `DTSTART` and `EXDATE` too. Times are wall times in the
schedule's zone. What python-dateutil would read silently in another way than it
is written (ordinals below MONTHLY, dates without a time as a limit) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from headrace.core.errors import InvalidSchedule

#: Characters, Prefect's limit.
MAX_RRULE_LENGTH = 6500
#: Firings. A rule that is counted has to be walked from its start once in every process.
MAX_COUNT = 10_000
#: Where a rule without DTSTART starts: a Monday and the first of a year, at midnight.
DEFAULT_START = datetime(2024, 1, 1)

#: Frequencies with the longest INTERVAL: about a hundred years; a year where the rule counts within days.
_LONGEST = {
    "YEARLY": 100,
    "MONTHLY": 1200,
    "WEEKLY": 5200,
    "DAILY": 36_500,
    "HOURLY": 8784,
    "MINUTELY": 527_040,
    "SECONDLY": 31_622_400,
}
#: Below a day the rule follows elapsed time where clocks are changed.
WITHIN_DAYS = frozenset({"HOURLY", "MINUTELY", "SECONDLY"})
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

#: Lists of numbers: lowest, highest, whether they may count from the end.
_NUMBERS = {
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYSETPOS": (1, 366, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    "BYSECOND": (0, 59, False),
}
_KEYS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_NUMBERS)
#: With BYSETPOS python-dateutil builds the list of a day's times.
_MOST_TIMES_WITH_SETPOS = 1440


@dataclass(frozen=True, slots=True, kw_only=True)
class RRuleFields:
    """A recurrence rule's meaning; what the standard takes from DTSTART is filled in.

    Parameters
    ----------
    frequency : str
        YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY or SECONDLY.
    interval : int
        Every so many years, months …
    start : datetime
        Naive wall time, whole seconds; the rule's phase, and nothing fires before it.
    count : int or None
        At most so many firings.
    until : datetime or None
        The last wall time (naive), or instant (aware, where it was written with Z).
    by_month, by_month_day, by_year_day, by_week_no, by_set_pos, by_hour, by_minute, by_second : tuple of int
        Empty: not restricted.
    by_day : tuple of (int, int)
        (weekday, n): 0 is Monday; n is 0 for every such weekday, else the n-th, from the end when negative.
    week_start : int
        0 is Monday.
    excluded : frozenset of datetime
        Wall times (naive) or instants (aware) that do not fire.
    zone : str or None
        The zone that DTSTART or EXDATE names.
    """

    frequency: str
    interval: int
    start: datetime
    count: int | None
    until: datetime | None
    by_month: tuple[int, ...]
    by_month_day: tuple[int, ...]
    by_year_day: tuple[int, ...]
    by_week_no: tuple[int, ...]
    by_set_pos: tuple[int, ...]
    by_hour: tuple[int, ...]
    by_minute: tuple[int, ...]
    by_second: tuple[int, ...]
    by_day: tuple[tuple[int, int], ...]
    week_start: int
    excluded: frozenset[datetime]
    zone: str | None

    @property
    def fixed(self) -> bool:
        """Whether it names times on the clock's face (DAILY and longer), not steps of elapsed time."""
        return self.frequency not in WITHIN_DAYS


def _refuse(message: str) -> InvalidSchedule:
    return InvalidSchedule(f"rrule: {message}", field="rrule")


def _moment(text: str, part: str) -> datetime:
    """Return `20260105T090000` as a naive datetime, with Z as an aware one, a bare date as its midnight."""
    match = re.fullmatch(r"([0-9]{8})(?:T([0-9]{6}))?(Z?)", text)
    try:
        if match is None:
            raise ValueError
        moment = datetime.strptime(match[1] + (match[2] or "000000"), "%Y%m%d%H%M%S")
    except ValueError:
        raise _refuse(f"{part}: {text[:40]!r} is no time; write e.g. 20260105T090000") from None
    if not 1970 <= moment.year < 9000:
        raise _refuse(f"{part}: the year {moment.year} is out of range; write 1970 to 8999")
    return moment.replace(tzinfo=timezone.utc) if match[3] else moment


def _time(text: str, part: str) -> datetime:
    """Return as `_moment` what must have a time: a bare date is the whole day to people, midnight to libraries."""
    moment = _moment(text, part)
    if "T" not in text:
        raise _refuse(f"{part} needs a time; write e.g. {part}={text}T235959")
    return moment


def _lines(text: str) -> tuple[str, str, list[str]]:
    """Return the text of DTSTART (with its options), RRULE and the EXDATEs."""
    start, rule, excluded = "", "", []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        head, colon, value = line.partition(":")
        name = re.split(r"[;=]", head, maxsplit=1)[0].upper()
        if name == "FREQ" or (name in _KEYS and not colon):
            name, value = "RRULE", line
        if name == "RRULE":
            if rule:
                raise _refuse("two rules; make two schedules")
            rule = value
        elif name == "DTSTART" and colon and not start:
            start = line[len("DTSTART") :]
        elif name == "EXDATE" and colon:
            excluded.append(line[len("EXDATE") :])
        else:
            raise _refuse(f"the line {line[:40]!r} is not known; write one DTSTART, one RRULE and EXDATE lines")
    if not rule:
        raise _refuse("there is no rule; write e.g. FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0")
    return start, rule, excluded


def _value(text: str, name: str) -> tuple[str, str | None]:
    """Return the value behind a line's options, and its time zone."""
    options, _, value = text.partition(":")
    zone = None
    for option in filter(None, options.split(";")):
        key, _, given = option.partition("=")
        if key.upper() == "TZID" and given:
            zone = given
        elif key.upper() != "VALUE" or given.upper() not in ("DATE", "DATE-TIME"):
            raise _refuse(f"{name}: the option {option[:40]!r} is not known; leave it out")
    return value.strip().upper(), zone


def _parts(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rule.upper().strip().rstrip(";").split(";"):
        key, _, value = part.partition("=")
        if key not in _KEYS:
            raise _refuse(f"{part[:40]!r} is not known; the parts are {', '.join(_KEYS)}")
        if key in parts:
            raise _refuse(f"{key} stands twice; write it once")
        if not value:
            raise _refuse(f"{key} has no value; write e.g. {key}={'MO' if key in ('BYDAY', 'WKST') else '1'}")
        parts[key] = value
    if parts.get("FREQ") not in _LONGEST:
        raise _refuse(f"FREQ is {parts.get('FREQ', 'missing')[:40]}; write one of {', '.join(_LONGEST)}")
    return parts


def _number(text: str, key: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise _refuse(f"{key}={text[:20]} is out of range; write {low} to {high}")
    return int(text)


def _numbers(parts: dict[str, str], key: str) -> tuple[int, ...]:
    low, high, signed = _NUMBERS[key]
    found = set()
    for text in parts[key].split(",") if key in parts else ():
        if not re.fullmatch(r"[+-]?[0-9]{1,3}" if signed else r"[0-9]{1,2}", text) or not low <= abs(int(text)) <= high:
            both = " or the same with a minus" if signed else ""
            raise _refuse(f"{key}={text[:20]} is out of range; write {low} to {high}{both}")
        found.add(int(text))
    return tuple(sorted(found))


def _weekdays(parts: dict[str, str]) -> tuple[tuple[int, int], ...]:
    found = set()
    frequency = parts["FREQ"]
    monthly = frequency == "MONTHLY" or (frequency == "YEARLY" and "BYMONTH" in parts)
    for text in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        match = re.fullmatch(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)", text)
        if match is None:
            raise _refuse(f"BYDAY={text[:20]} is not known; write e.g. MO or -1FR")
        nth = int(match[1]) if match[1] else 0
        if match[1] and not 1 <= abs(nth) <= (5 if monthly else 53):
            raise _refuse(f"BYDAY={text} counts too far; write 1 to {5 if monthly else 53} or the same with a minus")
        if nth and frequency not in ("MONTHLY", "YEARLY"):
            raise _refuse(f"BYDAY={text} has a number, which needs FREQ=MONTHLY or YEARLY; write {match[2]}")
        if nth and "BYWEEKNO" in parts:
            raise _refuse(f"BYDAY={text} has a number, which cannot stand beside BYWEEKNO; write {match[2]}")
        found.add((WEEKDAYS.index(match[2]), nth))
    return tuple(sorted(found))


def parse_rrule(text: str) -> RRuleFields:
    """Return what a recurrence rule says.

    Parameters
    ----------
    text : str
        The rule, alone or with DTSTART and EXDATE lines; at most 6500 characters.

    Returns
    -------
    RRuleFields

    Raises
    ------
    InvalidSchedule
        It cannot be read, or has a part that cannot be; `field` is "rrule". Whether it ever
        fires is the store's question (`headrace.store.slots.check_fires`).
    """
    if not isinstance(text, str):
        raise _refuse(f"{type(text).__name__} is no text; write e.g. FREQ=WEEKLY;BYDAY=MO")
    if len(text) > MAX_RRULE_LENGTH:
        raise _refuse(f"{len(text)} characters, and {MAX_RRULE_LENGTH} is the limit; make several schedules")
    if not text.isascii():
        raise _refuse("only plain letters, digits and ; , = : + - are known; write e.g. FREQ=WEEKLY;BYDAY=MO")
    return _parse(text)


@lru_cache(maxsize=1024)
def _parse(text: str) -> RRuleFields:
    start_text, rule, excluded_texts = _lines(text)
    parts = _parts(rule)
    start, zone = DEFAULT_START, None
    if start_text:
        value, zone = _value(start_text, "DTSTART")
        start = _moment(value, "DTSTART")
        if start.tzinfo is not None:
            start, zone = start.replace(tzinfo=None), "UTC"
    exceptions = [_value(line, "EXDATE") for line in excluded_texts]
    zones = {zone, *(place for _, place in exceptions)} - {None}
    if len(zones) > 1:
        raise _refuse("DTSTART and EXDATE name several zones; write one")
    zone = zones.pop() if zones else None
    if "COUNT" in parts and "UNTIL" in parts:
        raise _refuse("COUNT and UNTIL exclude each other; leave one out")
    if "COUNT" in parts and not start_text:
        raise _refuse("COUNT needs a start to count from; add a line DTSTART:20260105T090000 before the rule")
    until = _time(parts["UNTIL"], "UNTIL") if "UNTIL" in parts else None
    if parts.get("WKST", "MO") not in WEEKDAYS:
        raise _refuse(f"WKST={parts['WKST'][:20]} is not known; write one of {', '.join(WEEKDAYS)}")
    frequency = parts["FREQ"]
    given = {key: _numbers(parts, key) for key in _NUMBERS}
    fields = RRuleFields(
        frequency=frequency,
        interval=_number(parts.get("INTERVAL", "1"), "INTERVAL", 1, _LONGEST[frequency]),
        start=start,
        count=_number(parts["COUNT"], "COUNT", 1, MAX_COUNT) if "COUNT" in parts else None,
        until=until,
        week_start=WEEKDAYS.index(parts.get("WKST", "MO")),
        excluded=frozenset(_time(one, "EXDATE") for value, _ in exceptions for one in value.split(",")),
        zone=zone,
        by_set_pos=given["BYSETPOS"],
        by_year_day=given["BYYEARDAY"],
        by_week_no=given["BYWEEKNO"],
        **_implied(frequency, start, given, _weekdays(parts)),
    )
    _check_set_pos(fields)
    return fields


def _implied(
    frequency: str, start: datetime, given: dict[str, tuple[int, ...]], by_day: tuple[tuple[int, int], ...]
) -> dict[str, Any]:
    """Return the parts that DTSTART stands in for (RFC 5545, 3.3.10: "information … from DTSTART")."""
    by_month, by_month_day = given["BYMONTH"], given["BYMONTHDAY"]
    if not (given["BYWEEKNO"] or given["BYYEARDAY"] or by_month_day or by_day):
        if frequency == "YEARLY":
            by_month = by_month or (start.month,)
        if frequency in ("YEARLY", "MONTHLY"):
            by_month_day = (start.day,)
        if frequency == "WEEKLY":
            by_day = ((start.weekday(), 0),)
    by_hour, by_minute, by_second = given["BYHOUR"], given["BYMINUTE"], given["BYSECOND"]
    if frequency not in WITHIN_DAYS:
        by_hour = by_hour or (start.hour,)
    if frequency not in ("MINUTELY", "SECONDLY"):
        by_minute = by_minute or (start.minute,)
    if frequency != "SECONDLY":
        by_second = by_second or (start.second,)
    return {
        "by_month": by_month,
        "by_month_day": by_month_day,
        "by_day": by_day,
        "by_hour": by_hour,
        "by_minute": by_minute,
        "by_second": by_second,
    }


def _check_set_pos(fields: RRuleFields) -> None:
    if not fields.by_set_pos:
        return
    if not fields.fixed:
        raise _refuse("BYSETPOS needs FREQ=DAILY or longer; write the minutes and seconds themselves")
    times = len(fields.by_hour) * len(fields.by_minute) * len(fields.by_second)
    if times > _MOST_TIMES_WITH_SETPOS:
        raise _refuse(f"BYSETPOS over {times} times a day is too much; {_MOST_TIMES_WITH_SETPOS} is the limit")
