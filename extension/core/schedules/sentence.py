"""Schedules as one sentence for a person, e.g. "At 06:00, Monday to Friday"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from headrace.core.clock import EPOCH
from headrace.core.schedules.cron import MONTH_NAMES, WEEKDAY_NAMES, CronFields
from headrace.core.schedules.records import CronSchedule, IntervalSchedule, OneOffSchedule, Schedule
from headrace.core.schedules.rrule import RRuleFields
from headrace.core.schedules.zones import find_zone, local_time

#: Longer lists are cut: a sentence is to be read.
_LONGEST_LIST = 8
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth")
_UNITS = {
    "YEARLY": "year",
    "MONTHLY": "month",
    "WEEKLY": "week",
    "DAILY": "day",
    "HOURLY": "hour",
    "MINUTELY": "minute",
    "SECONDLY": "second",
}


def describe(schedule: Schedule) -> str:
    """Return when a schedule fires, as a sentence without a full stop.

    Times are on the clocks of the schedule's zone, which the sentence does not name.

    Parameters
    ----------
    schedule : CronSchedule, IntervalSchedule, RRuleSchedule or OneOffSchedule

    Returns
    -------
    str
        E.g. "At 06:00, Monday to Friday", "Every 15 minutes", "Once, on 1 December 2026 at 09:00".
    """
    if isinstance(schedule, CronSchedule):
        return _cron(schedule.fields, schedule.day_or)
    if isinstance(schedule, IntervalSchedule):
        every = _every_seconds(schedule.interval_seconds)
        if schedule.anchor_at == EPOCH:
            return every
        return f"{every}, counted from {_date_time(local_time(schedule.anchor_at, find_zone(schedule.timezone)))}"
    if isinstance(schedule, OneOffSchedule):
        moment = local_time(schedule.at, find_zone(schedule.timezone))
        return f"Once, on {_date(moment)} at {_clock(moment.hour, moment.minute, moment.second)}"
    return _rrule(schedule.fields)


def _clock(hour: int, minute: int, second: int = 0) -> str:
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def _date(moment: datetime) -> str:
    return f"{moment.day} {MONTH_NAMES[moment.month]} {moment.year}"


def _date_time(moment: datetime) -> str:
    return f"{_date(moment)} {_clock(moment.hour, moment.minute, moment.second)}"


def _join(words: Iterable[object], last: str = "and") -> str:
    texts = [str(word) for word in words]
    if len(texts) > _LONGEST_LIST:
        texts = [*texts[: _LONGEST_LIST - 2], f"{len(texts) - _LONGEST_LIST + 2} more"]
    return f" {last} ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)


def _is_run(values: Sequence[int], shortest: int = 3) -> bool:
    """Whether these are `shortest` or more numbers one after the other."""
    return len(values) >= shortest and values[-1] - values[0] == len(values) - 1


def _even_step(values: Sequence[int], size: int) -> int:
    """Return n when the values are every n-th of 0 … size-1 and n divides size, else 0."""
    step = values[1] - values[0] if len(values) > 1 else size
    return step if size % step == 0 and tuple(values) == tuple(range(0, size, step)) else 0


def _every(count: int, unit: str) -> str:
    return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"


def _every_seconds(seconds: float) -> str:
    whole, rest = divmod(seconds, 60)
    parts: list[tuple[float, str]] = []
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        count, whole = divmod(whole, size)
        parts.append((int(count), unit))
    parts.append((int(rest) if rest == int(rest) else round(rest, 6), "second"))
    said = [(count, unit) for count, unit in parts if count]
    if len(said) == 1 and said[0][0] == 1:
        return f"Every {said[0][1]}"
    return "Every " + " ".join(f"{count:g} {unit}{'s' * (count != 1)}" for count, unit in said)


def _cron(fields: CronFields, day_or: bool) -> str:
    times, plain = _times(fields)
    days = _days(fields, day_or)
    if days:
        return f"{times}, {days}"
    return times if plain else f"{times}, every day"


def _times(fields: CronFields) -> tuple[str, bool]:
    """Return the words for minute and hour, and whether they speak of the whole day by themselves."""
    minutes, hours = fields.minutes, fields.hours
    step = _even_step(minutes, 60)
    all_day = len(hours) == 24
    if step and step < 60:
        every = _every(step, "minute")
        if all_day:
            return every, True
        if len(hours) == 1 or _is_run(hours, 2):
            return f"{every} from {_clock(hours[0], 0)} to {_clock(hours[-1], minutes[-1])}", False
        return f"{every} in the hours {_join(f'{hour:02}' for hour in hours)}", False
    past = "" if minutes == (0,) else f" at {_join(minutes)} minute{'s' * (minutes != (1,))} past"
    hour_step = _even_step(hours, 24)
    if hour_step and hour_step < 24:
        return _every(hour_step, "hour") + past, True
    if len(minutes) == 1 and _is_run(hours):
        return f"Every hour from {_clock(hours[0], minutes[0])} to {_clock(hours[-1], minutes[0])}", False
    if len(minutes) * len(hours) <= _LONGEST_LIST:
        return "At " + _join(_clock(hour, minute) for hour in hours for minute in minutes), False
    past_hours = _clock(hours[0], 0) if len(hours) == 1 else f"the hours {_join(f'{hour:02}' for hour in hours)}"
    return f"At {_join(minutes)} minutes past {past_hours}", False


def _days(fields: CronFields, day_or: bool) -> str:
    months = "" if len(fields.months) == 12 else _months(fields.months)
    if fields.any_day and fields.any_weekday:
        return f"in {months}" if months else ""
    month_days = "" if fields.any_day else _month_days(fields, months)
    weekdays = "" if fields.any_weekday else _weekdays(fields)
    if fields.nth_weekdays:
        weekdays += f" of {months or 'the month'}"
    if not month_days:
        return weekdays if fields.nth_weekdays or not months else f"{weekdays}, in {months}"
    if not weekdays:
        return month_days
    if not day_or:
        return f"{month_days}, only where it is {_weekdays(fields, 'or').removeprefix('on ')}"
    if months and not fields.nth_weekdays:
        weekdays += f" in {months}"
    return f"{month_days} or {weekdays}"


def _months(months: Sequence[int]) -> str:
    if _is_run(months):
        return f"{MONTH_NAMES[months[0]]} to {MONTH_NAMES[months[-1]]}"
    return _join(MONTH_NAMES[month] for month in months)


def _month_days(fields: CronFields, months: str) -> str:
    days = [f"{fields.days[0]} to {fields.days[-1]}"] if _is_run(fields.days) else [str(day) for day in fields.days]
    numbered = f"day{'s' * (len(fields.days) > 1)} {_join(days)}" if days else ""
    words = [word for word in (numbered, "the last day" if fields.last_day else "") if word]
    return f"on {_join(words)} of {months or 'the month'}"


def _weekdays(fields: CronFields, last: str = "and") -> str:
    if fields.nth_weekdays:
        return "on " + _join((f"the {_ORDINALS[n]} {WEEKDAY_NAMES[day]}" for day, n in fields.nth_weekdays), last)
    # A week begins on Monday (ISO 8601), so that Saturday and Sunday stand together.
    ordered = sorted((day - 1) % 7 for day in fields.weekdays)
    names = [WEEKDAY_NAMES[(day + 1) % 7] for day in ordered]
    return f"{names[0]} to {names[-1]}" if _is_run(ordered) else f"on {_join(names, last)}"


def _rrule(fields: RRuleFields) -> str:
    words = [_every(fields.interval, _UNITS[fields.frequency]), *_rrule_days(fields)]
    if fields.by_day:
        words.append(_rrule_weekdays(fields.by_day))
    words.append(_rrule_times(fields))
    if fields.by_set_pos:
        words.append(f"(only {_join(map(_place, _from_start(fields.by_set_pos)))} of these)")
    sentence = " ".join(filter(None, words))
    if fields.count is not None:
        sentence += f", {fields.count} time{'s' * (fields.count != 1)}"
    if fields.until is not None:
        sentence += f", until {_date_time(fields.until)}{' UTC' * (fields.until.tzinfo is not None)}"
    if fields.excluded:
        sentence += f", except {_join(_date(moment) for moment in sorted(fields.excluded, key=str))}"
    return sentence


def _rrule_days(fields: RRuleFields) -> list[str]:
    """Return the words for every part that restricts days, but BYDAY."""
    months, days = fields.by_month, _from_start(fields.by_month_day)
    if months and days and days[0] > 0 and days[-1] > 0:
        return [f"on {_join(f'{day} {MONTH_NAMES[month]}' for month in months for day in days)}"]
    words = [f"in {_months(months)}"] if months else []
    if fields.by_week_no:
        words.append(f"in {_join(_counted(week, 'week') for week in _from_start(fields.by_week_no))}")
    if fields.by_year_day:
        words.append(f"on {_join(_counted(day, 'day') for day in _from_start(fields.by_year_day))} of the year")
    if days:
        words.append(f"on {_join(_counted(day, 'day') for day in days)}")
    return words


def _from_start(numbers: Iterable[int]) -> list[int]:
    """Return numbers in the order of time: those that count from the end come last."""
    return sorted(numbers, key=lambda number: (number < 0, number))


def _place(number: int) -> str:
    word = _ORDINALS[abs(number)] if abs(number) < len(_ORDINALS) else f"{abs(number)}."
    return f"the {word}" if number > 0 else "the last" if number == -1 else f"the {word} from the end"


def _counted(number: int, unit: str) -> str:
    return (
        f"{unit} {number}" if number > 0 else f"the last {unit}" if number == -1 else f"{unit} {-number} from the end"
    )


def _rrule_weekdays(days: Sequence[tuple[int, int]]) -> str:
    plain = [day for day, nth in days if not nth]
    if plain and len(plain) == len(days) and _is_run(plain):
        return f"on {WEEKDAY_NAMES[(plain[0] + 1) % 7]} to {WEEKDAY_NAMES[(plain[-1] + 1) % 7]}"
    return "on " + _join(_nth(nth) + WEEKDAY_NAMES[(day + 1) % 7] for day, nth in days)


def _nth(nth: int) -> str:
    return f"{_place(nth)} " if nth else ""


def _rrule_times(fields: RRuleFields) -> str:
    hours, minutes, seconds = fields.by_hour, fields.by_minute, fields.by_second
    if fields.fixed:
        if len(hours) * len(minutes) * len(seconds) > _LONGEST_LIST:
            return f"at {len(hours) * len(minutes) * len(seconds)} times of the day"
        return "at " + _join(_clock(h, m, s) for h in hours for m in minutes for s in seconds)
    words = []
    if hours:
        words.append(f"in the hour{'s' * (len(hours) > 1)} {_join(f'{hour:02}' for hour in hours)}")
    if minutes and minutes != (0,):
        words.append(f"at minute {_join(minutes)}")
    if seconds and seconds != (0,):
        words.append(f"at second {_join(seconds)}")
    return " ".join(words)
