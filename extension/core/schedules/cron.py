"""The grammar of cron expressions: five fields, one meaning, on every machine.

::

    ┌ minute 0–59
    │ ┌ hour 0–23
    │ │ ┌ day of month 1–31, or L (the last day)
    │ │ │ ┌ month 1–12 or JAN–DEC
    │ │ │ │ ┌ weekday 0–7 or SUN–SAT (0 and 7 are Sunday), or 1#2 (the second Monday)
    * * * * *        each field: *  */n  a  a-b  a-b/n, and lists of these with commas

`@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` stand for expressions.

Where the known cron programs (and the versions of croniter among themselves)
disagree, the expression is refused with the way to say it: equal and reversed
ranges, `n/step` without a range, `H`, `R`, `W`, `?`, seconds, and a `*/n` in one of
the two day fields while the other is restricted. Ranges over a whole field are
the same as `*`. When both day fields are restricted, either may match, as
in Vixie cron and POSIX (`day_or`, True by default).
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from functools import lru_cache

from headrace.core.errors import InvalidSchedule

#: Characters. Longer text is no schedule that a person wrote, and croniter accepts half a megabyte (0.6 s).
MAX_CRON_LENGTH = 128

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}

#: English, whatever the locale says (the calendar module's names follow it). Months count from 1, weekdays from Sunday.
MONTH_NAMES = ("", *"January February March April May June July August September October November December".split())
WEEKDAY_NAMES = tuple("Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split())

_MONTHS = {name[:3].upper(): number for number, name in enumerate(MONTH_NAMES) if name}
_WEEKDAYS = {name[:3].upper(): number for number, name in enumerate(WEEKDAY_NAMES)}
_LETTERS = {
    "?": "write * instead of ?",
    "H": "write the number that you want; a schedule's jitter_seconds spreads load",
    "R": "write the number that you want; a schedule's jitter_seconds spreads load",
    "W": "nearest weekdays cannot be said in cron; an RRULE can: FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "L": "L stands alone in the day of month; for a last Friday use an RRULE: FREQ=MONTHLY;BYDAY=-1FR",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CronFields:
    """A cron expression's meaning, as sorted numbers.

    Parameters
    ----------
    minutes, hours, months : tuple of int
        0–59, 0–23, 1–12.
    days : tuple of int
        1–31; all of them where the field is `*`.
    last_day : bool
        The last day of the month matches too (`L`).
    weekdays : tuple of int
        0–6, 0 is Sunday; all of them where the field is `*`, none with `nth_weekdays`.
    nth_weekdays : tuple of (int, int)
        (weekday, n): the n-th such weekday of the month, n from 1 to 5.
    any_day, any_weekday : bool
        The field restricts nothing.
    fixed : bool
        Minute and hour are both free of `*`: times on the clock's face. Otherwise the
        expression follows elapsed time where clocks are changed (Debian's cron has the same rule).
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    last_day: bool
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    nth_weekdays: tuple[tuple[int, int], ...]
    any_day: bool
    any_weekday: bool
    fixed: bool

    @property
    def expression(self) -> str:
        """The same meaning with every number written out: no range or step that a library could read otherwise."""

        def numbers(values: tuple[int, ...], everything: int) -> str:
            return "*" if len(values) == everything else ",".join(map(str, values))

        day = "*" if self.any_day else ",".join([*map(str, self.days), *(["L"] if self.last_day else [])])
        weekday = numbers(self.weekdays, 7) or ",".join(f"{day}#{nth}" for day, nth in self.nth_weekdays)
        return " ".join((numbers(self.minutes, 60), numbers(self.hours, 24), day, numbers(self.months, 12), weekday))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One of the five fields: its name, its place, its numbers and its names."""

    name: str
    place: int
    low: int
    high: int
    top: int
    names: dict[str, int]
    example: str


_FIELDS = (
    _Field(name="minute", place=1, low=0, high=59, top=59, names={}, example="*/15 or 0,30"),
    _Field(name="hour", place=2, low=0, high=23, top=23, names={}, example="6 or 9-17"),
    _Field(name="day of month", place=3, low=1, high=31, top=31, names={}, example="1 or L"),
    _Field(name="month", place=4, low=1, high=12, top=12, names=_MONTHS, example="JAN or 1-6"),
    _Field(name="weekday", place=5, low=0, high=6, top=7, names=_WEEKDAYS, example="MON-FRI or 1#2"),
)


@dataclass(slots=True)
class _Parsed:
    """What one field's text says."""

    values: frozenset[int]
    star: bool
    step: bool
    last: bool
    nths: tuple[tuple[int, int], ...]


def _refuse(message: str) -> InvalidSchedule:
    return InvalidSchedule(message, field="cron")


class _Reader:
    """Reads one field; every refusal names the field, the place in the text and the remedy."""

    def __init__(self, field: _Field, text: str, offset: int) -> None:
        self.field = field
        self.text = text
        self.offset = offset

    def refuse(self, problem: str, remedy: str, at: int = 0) -> InvalidSchedule:
        field = self.field
        return _refuse(
            f"cron field {field.place} ({field.name}), character {self.offset + at + 1}: {problem}; {remedy}"
        )

    def read(self) -> _Parsed:
        parsed = _Parsed(values=frozenset(), star=False, step=False, last=False, nths=())
        at = 0
        items = self.text.split(",")
        for item in items:
            self.item(item, at, parsed, alone=len(items) == 1)
            at += len(item) + 1
        if parsed.nths and parsed.values:
            raise self.refuse("1#2 cannot be mixed with plain weekdays", "make two schedules")
        if len(parsed.values) == self.field.high - self.field.low + 1:
            parsed.star = True
        return parsed

    def item(self, item: str, at: int, parsed: _Parsed, *, alone: bool) -> None:
        field = self.field
        if not item:
            raise self.refuse("nothing stands beside a comma", f"write e.g. {field.example}", at)
        head, slash, tail = item.partition("/")
        if head == "*":
            if not slash and not alone:
                raise self.refuse("* is every value already", "leave the rest of the list out", at)
            step = self.step(tail, at + 2, field.high - field.low) if slash else 1
            parsed.values |= frozenset(range(field.low, field.high + 1, step))
            parsed.star = True
            parsed.step |= step > 1
            return
        if head == "L" and field.place == 3 and not slash:
            parsed.last = True
            return
        if "#" in item and field.place == 5:
            parsed.nths = tuple(sorted({*parsed.nths, self.nth(item, at)}))
            return
        first, dash, last = head.partition("-")
        low = self.number(first, at)
        if not dash:
            if slash:
                raise self.refuse(f"{item} has a step but no range", f"write {head}-{field.high}/{tail}", at)
            parsed.values |= {low % 7 if field.place == 5 else low}
            return
        high = self.number(last, at + len(first) + 1)
        if field.place == 5 and last == "SUN" and low:
            high = 7
        if low == high:
            raise self.refuse(f"the range {head} is one value", f"write {first}", at)
        if low > high:
            raise self.refuse(f"the range {head} runs backwards", f"write {self.around(low, high)}", at)
        step = self.step(tail, at + len(head) + 1, high - low) if slash else 1
        values = range(low, high + 1, step)
        parsed.values |= {value % 7 for value in values} if field.place == 5 else set(values)

    def around(self, low: int, high: int) -> str:
        """Return a range that goes past the field's end as two that do not."""
        field = self.field

        def span(first: int, last: int) -> str:
            return str(first) if first == last else f"{first}-{last}"

        if field.place == 5 and low == 7:
            return span(0, high)
        return f"{span(low, field.high)},{span(field.low, high)}"

    def step(self, text: str, at: int, widest: int) -> int:
        if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) == 0:
            raise self.refuse(f"{text!r} is no step", "write a number from 1 after the /", at)
        step = int(text)
        if step > widest:
            raise self.refuse(
                f"the step {step} is longer than its range, so it would be one value only",
                "write that value, or use an interval, which counts through",
                at,
            )
        return step

    def nth(self, item: str, at: int) -> tuple[int, int]:
        head, _, tail = item.partition("#")
        if tail not in ("1", "2", "3", "4", "5"):
            raise self.refuse(f"{item} has no week", "write 1 to 5 after the #", at + len(head) + 1)
        return self.number(head, at) % 7, int(tail)

    def number(self, text: str, at: int) -> int:
        field = self.field
        if text in field.names:
            return field.names[text]
        if re.fullmatch(r"[0-9]{1,4}", text):
            if field.low <= int(text) <= field.top:
                return int(text)
            raise self.refuse(f"{text} is out of range", f"write {field.low} to {field.top}, e.g. {field.example}", at)
        name = text[:3]
        if len(text) > 3 and text.isalpha() and name in field.names:
            raise self.refuse(f"{text} is not known", f"write {name}", at)
        for letter, remedy in _LETTERS.items():
            if letter in text and (letter == "?" or re.fullmatch(r"[0-9()\-]*[HRWL]+[0-9()\-]*", text)):
                raise self.refuse(f"{text} is not known here", remedy, at)
        raise self.refuse(f"{text!r} is not understood", f"write e.g. {field.example}", at)


def _split(text: str) -> list[tuple[str, int]]:
    """Return the five fields with their offsets."""
    found = [(match.group(), match.start()) for match in re.finditer(r"\S+", text)]
    if len(found) in (6, 7):
        raise _refuse(
            f"cron: {len(found)} fields, and a cron expression has five (minute hour day month weekday); "
            "below a minute use an interval, e.g. interval_seconds=30"
        )
    if len(found) != 5:
        raise _refuse(
            f"cron: {len(found)} field{'s' * (len(found) != 1)}, and a cron expression has five "
            "(minute hour day month weekday); write e.g. 0 6 * * 1-5"
        )
    return found


def _text(cron: object) -> str:
    """Return the expression in capitals with its alias written out."""
    if not isinstance(cron, str):
        raise _refuse(f"cron: {type(cron).__name__} is no text; write e.g. 0 6 * * 1-5")
    if len(cron) > MAX_CRON_LENGTH:
        raise _refuse(f"cron: {len(cron)} characters, and {MAX_CRON_LENGTH} is the limit; make several schedules")
    if not cron.isascii() or not cron.replace("\t", " ").isprintable():
        raise _refuse("cron: only plain letters, digits, spaces and * , - / # @ are known; write e.g. 0 6 * * 1-5")
    if not cron.strip().startswith("@"):
        return cron.upper()
    alias = cron.strip().lower()
    if alias in ALIASES:
        return ALIASES[alias]
    known = {"@midnight": "write @daily", "@annually": "write @yearly"}
    known["@reboot"] = "schedules know times only; start what belongs to a start of the machine with the machine"
    raise _refuse(f"cron, character 1: {alias} is not known; {known.get(alias, 'write one of ' + ' '.join(ALIASES))}")


def parse_cron(cron: str, day_or: bool = True) -> CronFields:
    """Return what a cron expression says.

    Parameters
    ----------
    cron : str
        Five fields or an alias, at most 128 characters.
    day_or : bool, default True
        When both day fields are restricted, either may match; False: both must.

    Returns
    -------
    CronFields

    Raises
    ------
    InvalidSchedule
        It cannot be, has more than one reading, or names days that never come;
        `field` is "cron".
    """
    return _parse(_text(cron), bool(day_or))


@lru_cache(maxsize=4096)
def _parse(text: str, day_or: bool) -> CronFields:
    readers = [_Reader(field, *part) for field, part in zip(_FIELDS, _split(text), strict=True)]
    minute, hour, day, month, weekday = (reader.read() for reader in readers)
    any_day, any_weekday = len(day.values) == 31, len(weekday.values) == 7
    for mine, other, reader in ((day, any_weekday, readers[2]), (weekday, any_day, readers[4])):
        if mine.step and len(mine.values) < reader.field.high - reader.field.low + 1 and not other:
            listed = ",".join(map(str, sorted(mine.values)))
            raise reader.refuse(
                "a step on * beside the other day field means “both” to some cron programs and “either” to others",
                f"list the values: {listed}",
            )
    fields = CronFields(
        minutes=tuple(sorted(minute.values)),
        hours=tuple(sorted(hour.values)),
        days=tuple(sorted(day.values)),
        last_day=day.last and not any_day,
        months=tuple(sorted(month.values)),
        weekdays=tuple(sorted(weekday.values)),
        nth_weekdays=weekday.nths,
        any_day=any_day,
        any_weekday=any_weekday,
        fixed=not (minute.star or hour.star),
    )
    _refuse_impossible(fields, day_or, readers[2])
    return fields


def _refuse_impossible(fields: CronFields, day_or: bool, reader: _Reader) -> None:
    """Refuse days that no year has, such as 31 February."""
    ends = {
        length
        for month in fields.months
        for length in ({28, 29} if month == 2 else {calendar.monthrange(2001, month)[1]})
    }
    possible = {day for day in fields.days if day <= max(ends)} | (ends if fields.last_day else set())
    if not possible:
        raise reader.refuse(
            f"day {fields.days[0]} never comes in {' or '.join(MONTH_NAMES[month] for month in fields.months)}",
            "write L for the last day of a month" if fields.any_weekday else "leave it out",
        )
    weeks = {n for _, n in fields.nth_weekdays}
    if weeks and not day_or and weeks.isdisjoint((day - 1) // 7 + 1 for day in possible):
        raise reader.refuse("that day is never in that week of a month", "change the day, or the number after the #")
