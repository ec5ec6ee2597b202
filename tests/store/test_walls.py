"""Wall times of crons and rules, held against croniter (oldest to newest) and python-dateutil."""

from __future__ import annotations

import calendar
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import InvalidSchedule
from headrace.core.schedules import CronFields, parse_cron, parse_rrule
from headrace.store.walls import cron_walls, rrule_walls

ROOT = Path(__file__).resolve().parents[2]
#: The oldest that stands beside jupyter-scheduler, one of each kind of answer between, and the newest below 8.
CRONITERS = ("1.4.1", "2.0.7", "6.0.0", "newest")
FIRES = 12

#: What a process with another croniter does: questions in, wall times out. It gets every number written out
#: (`written`): croniter's versions also differ on the shorthand.
ASK_CRONITER = """
import sys, json
folder, fires = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, folder)
from datetime import datetime
from croniter import croniter
assert sys.modules["croniter"].__file__.startswith(folder)
for line in sys.stdin:
    cron, written, start, day_or = json.loads(line)
    walk = croniter(written, datetime.fromisoformat(start), day_or=day_or)
    print(json.dumps([cron, start, day_or, [walk.get_next(datetime).isoformat() for _ in range(fires)]]))
"""


def bring_croniter(version: str) -> Path:
    """Return a folder with this version of croniter, from the package registry the first time."""
    folder = ROOT / ".cache" / "croniter" / version
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    wanted = "croniter<8" if version == "newest" else f"croniter=={version}"
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        # pytz is what older versions need beside python-dateutil, which the environment has.
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", f"{made}/it", wanted, "pytz"]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{wanted} could not be brought: {done.stderr[-1000:]}"
        try:
            Path(made, "it").rename(folder)
        except OSError:
            assert folder.is_dir()
    return folder


def ask_croniter(version: str, questions: str) -> str:
    """Return the answers of a process that has this version of croniter."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", ASK_CRONITER, str(bring_croniter(version)), str(FIRES)]
    done = subprocess.run(command, input=questions, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout


def ask_ourselves(questions: str) -> str:
    answers = []
    for line in questions.splitlines():
        cron, _, start, day_or = json.loads(line)
        after = datetime.fromisoformat(start) + timedelta(microseconds=1)
        walls = islice(cron_walls(parse_cron(cron, day_or), day_or, after), FIRES)
        answers.append(json.dumps([cron, start, day_or, [wall.isoformat() for wall in walls]]) + "\n")
    return "".join(answers)


class Expressions:
    """Random expressions of the grammar, the same ones for a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def field(self, low: int, high: int) -> str:
        dice = self.dice
        kind = dice.random()
        if kind < 0.3:
            return "*"
        if kind < 0.45:
            return f"*/{dice.randint(1, high - low)}"
        items = []
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            first, last = dice.randint(low, high), dice.randint(low, high)
            if first < last and dice.random() < 0.5:
                step = f"/{dice.randint(1, last - first)}" if dice.random() < 0.4 else ""
                items.append(f"{first}-{last}{step}")
            else:
                items.append(str(first))
        return ",".join(items)

    def expression(self) -> str:
        dice = self.dice
        parts = [self.field(*bounds) for bounds in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))]
        if dice.random() < 0.15:
            parts[2] = dice.choice(["L", "15,L", "1,L", "30,L", "28-30,L"])
        if dice.random() < 0.15:
            parts[4] = dice.choice(["1#2", "5#1,1#3", "0#5", "7#1", "3#4,3#5"])
        for day in (2, 4):
            if dice.random() < 0.3:
                parts[day] = "*"
        return " ".join(parts)

    def start(self) -> datetime:
        dice = self.dice
        return datetime(2020, 1, 1) + timedelta(
            minutes=dice.randrange(20 * 365 * 1440), seconds=dice.choice([0, 0, 17])
        )

    def accepted(self) -> Iterator[tuple[str, bool, CronFields]]:
        while True:
            expression, day_or = self.expression(), self.dice.random() < 0.7
            try:
                yield expression, day_or, parse_cron(expression, day_or)
            except InvalidSchedule:
                continue


def read_alike(fields: CronFields, day_or: bool) -> bool:
    """Whether every croniter reads an expression as it is written: see the test of what they read wrong."""
    late_days_listed = len(fields.days) + fields.last_day > 1 and fields.days[-1] > 28 and not fields.any_day
    return not late_days_listed and not (day_or and fields.nth_weekdays and not fields.any_day)


#: A person's expressions, and every special form of the grammar.
USUAL = [
    "* * * * *", "*/5 * * * *", "0 * * * *", "30 2 * * *", "0 6 * * 1-5", "0 9-17 * * MON-FRI", "15 10 1 * *", "0 0 L * *",
    "0 0 29 2 *", "0 0 31 * *", "0 12 * * 1#2", "0 12 * * 0#5", "0 0 * * 7", "59 23 31 12 *", "@hourly", "@daily", "@weekly",
    "@monthly", "@yearly", "0 0 13 * 5", "0 0 1,15 * 1", "0 0 * * 0-6", "0-59 0-23 1-31 1-12 0-7", "5-20/5,7 3 * JAN-mar *",
]  # fmt: skip


def question(cron: str, start: datetime, *, day_or: bool = True) -> str:
    written = parse_cron(cron, day_or).expression
    return json.dumps([cron, written, start.isoformat(), day_or]) + "\n"


def corpus(count: int) -> str:
    made = Expressions(20261124)
    chosen = [(expression, True) for expression in USUAL]
    for expression, day_or, fields in made.accepted():
        if read_alike(fields, day_or):
            chosen.append((expression, day_or))
        if len(chosen) == count:
            break
    return "".join(question(expression, made.start(), day_or=day_or) for expression, day_or in chosen)


@pytest.fixture(scope="module")
def questions() -> str:
    return corpus(2000)


def test_every_croniter_from_the_oldest_to_the_newest_gives_the_same_bytes(questions: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda version: ask_croniter(version, questions), CRONITERS))
    ours = ask_ourselves(questions)
    assert ours.count("\n") == questions.count("\n") == 2000
    for version, answer in zip(CRONITERS, answers, strict=True):
        different = [pair for pair in zip(ours.splitlines(), answer.splitlines(), strict=True) if pair[0] != pair[1]]
        assert not different[:3], f"croniter {version}"
        assert answer == ours


def test_what_croniters_read_wrong_is_why_they_only_check_us() -> None:
    march = question("0 0 1,30 * *", datetime(2026, 2, 4))
    either = question("0 0 13 * 1#2", datetime(2026, 1, 1))
    assert '"2026-03-01T00:00:00"' not in ask_croniter("6.0.0", march)
    assert '"2026-03-01T00:00:00"' in ask_croniter("newest", march)
    assert '"2026-03-01T00:00:00"' in ask_ourselves(march)
    assert '"2026-01-13T00:00:00"' not in ask_croniter("newest", either)
    assert '["2026-01-12T00:00:00", "2026-01-13T00:00:00", "2026-02-09' in ask_ourselves(either)


def matches(fields: CronFields, day_or: bool, day: datetime) -> bool:
    """Whether a day matches, as the manual page of cron says it."""
    last = calendar.monthrange(day.year, day.month)[1]
    monthday = day.day in fields.days or (fields.last_day and day.day == last)
    weekday = day.isoweekday() % 7
    weekday_fits = weekday in fields.weekdays or (weekday, (day.day - 1) // 7 + 1) in fields.nth_weekdays
    if day.month not in fields.months:
        return False
    if fields.any_day or fields.any_weekday or not day_or:
        return monthday and weekday_fits
    return monthday or weekday_fits


def test_days_are_those_of_a_day_by_day_walk() -> None:
    made = Expressions(7)
    for expression, day_or, fields in islice(made.accepted(), 400):
        start = made.start().replace(hour=0, minute=0, second=0)
        days = (start + timedelta(days=number) for number in range(400))
        expected = [day for day in days if matches(fields, day_or, day)]
        found = []
        for wall in cron_walls(fields, day_or, start):
            if wall >= start + timedelta(days=400):
                break
            if not found or found[-1].date() != wall.date():
                found.append(wall.replace(hour=0, minute=0))
            if len(found) > 40:
                break
        assert found == expected[: len(found)], (expression, day_or)
        assert len(found) == min(len(expected), 41), (expression, day_or)


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("2026-01-01T06:30:00", "2026-01-01T06:30:00"),
        ("2026-01-01T06:30:00.000001", "2026-01-02T06:30:00"),
        ("2026-01-01T06:29:59.999999", "2026-01-01T06:30:00"),
        ("2026-01-01T23:59:59", "2026-01-02T06:30:00"),
        ("2026-12-31T07:00:00", "2027-01-01T06:30:00"),
    ],
)
def test_the_start_is_included_and_what_is_past_is_not(start: str, first: str) -> None:
    walls = cron_walls(parse_cron("30 6 * * *"), True, datetime.fromisoformat(start))
    assert next(walls) == datetime.fromisoformat(first)


def test_a_cron_ends_with_the_calendar() -> None:
    walls = list(cron_walls(parse_cron("0 0 1 1 *"), True, datetime(8996, 5, 1)))
    assert [wall.year for wall in walls] == [8997, 8998, 8999]


WEEKDAYS = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])


def several(values: st.SearchStrategy[object]) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=4, unique=True).map(lambda found: ",".join(map(str, found)))


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules that may be written, most of which fire; the first line is their start."""
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]))
    most = {"YEARLY": 4, "SECONDLY": 100_000, "MINUTELY": 5000, "HOURLY": 100}.get(frequency, 20)
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, most))}"]
    ordinal = frequency in ("YEARLY", "MONTHLY") and draw(st.booleans())
    choice = draw(st.sampled_from(["", "", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY", "BYDAY"]))
    if draw(st.integers(0, 3)) == 0:
        parts.append(f"BYMONTH={draw(several(st.integers(1, 12)))}")
    if choice == "BYMONTHDAY":
        parts.append(f"BYMONTHDAY={draw(several(st.integers(-31, 31).filter(bool)))}")
    elif choice == "BYYEARDAY":
        parts.append(f"BYYEARDAY={draw(several(st.integers(-366, 366).filter(bool)))}")
    elif choice == "BYWEEKNO" and frequency == "YEARLY":
        parts.append(f"BYWEEKNO={draw(several(st.integers(-53, 53).filter(bool)))}")
    elif choice == "BYDAY":
        nths = st.integers(-5, 5).filter(bool).map(str) if ordinal else st.just("")
        parts.append(f"BYDAY={draw(several(st.tuples(nths, WEEKDAYS).map(''.join)))}")
    for key, high in (("BYHOUR", 23), ("BYMINUTE", 59), ("BYSECOND", 59)):
        if draw(st.integers(0, 3)) == 0:
            parts.append(f"{key}={draw(several(st.integers(0, high)))}")
    if frequency not in ("HOURLY", "MINUTELY", "SECONDLY") and draw(st.integers(0, 3)) == 0:
        parts.append(f"BYSETPOS={draw(several(st.sampled_from([1, 2, 3, -1, -2])))}")
    if draw(st.booleans()):
        parts.append(f"WKST={draw(WEEKDAYS)}")
    start = draw(st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1))).replace(microsecond=0)
    return f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:{';'.join(parts)}"


@settings(max_examples=250, deadline=None, database=None, derandomize=True)
@given(rules(), st.integers(0, 900))
def test_rules_fire_as_in_dateutil(text: str, days_later: int) -> None:
    fields = parse_rrule(text)
    horizon = fields.start + timedelta(days=1500)
    ours = list(islice(rrule_walls(fields, fields.start), 15))
    if not ours or ours[0] > horizon:
        # dateutil would look until the year 9999.
        return
    ours = [wall for wall in ours if wall <= horizon]
    theirs = list(islice(rrulestr(text), len(ours)))
    if "WEEKLY" in text and "BYSETPOS" in text:
        # dateutil counts positions in the first week from the start on, in a first month or year from its beginning.
        week = fields.start + timedelta(days=7)
        mine, theirs = ([wall for wall in walls if wall > week] for walls in (ours, theirs))
        shared = min(len(mine), len(theirs))
        assert mine[:shared] == theirs[:shared]
    else:
        assert ours == theirs
    assert ours == sorted(set(ours))
    # Asked from later on, the answer is the rest: the phase does not depend on where the search begins.
    later = fields.start + timedelta(days=days_later, seconds=1)
    if later < ours[-1]:
        rest = [wall for wall in ours if wall >= later]
        assert list(islice(rrule_walls(fields, later), len(rest))) == rest


def test_a_count_is_counted_from_the_start_wherever_the_search_begins() -> None:
    fields = parse_rrule("DTSTART:20260101T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO,TH;COUNT=5\nEXDATE:20260105T090000")
    every = ["2026-01-01", "2026-01-08", "2026-01-12", "2026-01-15"]
    assert [f"{wall:%Y-%m-%d}" for wall in rrule_walls(fields, datetime(2020, 1, 1))] == every
    assert [f"{wall:%Y-%m-%d}" for wall in rrule_walls(fields, datetime(2026, 1, 10))] == every[2:]
    assert not list(rrule_walls(fields, datetime(2026, 1, 16)))


def test_a_rule_with_until_ends_with_it() -> None:
    fields = parse_rrule("DTSTART:20260101T090000\nRRULE:FREQ=DAILY;UNTIL=20260103T090000")
    assert [wall.day for wall in rrule_walls(fields, datetime(2026, 1, 1))] == [1, 2, 3]


#: Rules that never fire, or hardly ever: python-dateutil alone needs seconds to minutes for each.
HOSTILE = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=0;BYMINUTE=0;BYSECOND=0",
    "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
    "FREQ=SECONDLY;INTERVAL=86400;BYSECOND=1",
    "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1",
    "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=5",
    "FREQ=HOURLY;INTERVAL=2;BYHOUR=1",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
    "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=6",
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
    "FREQ=YEARLY;BYSETPOS=366;BYMONTH=3",
    "FREQ=YEARLY;INTERVAL=100;BYSETPOS=366;BYMONTH=3",
    "FREQ=YEARLY;INTERVAL=100;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
    "FREQ=DAILY;INTERVAL=36500;BYMONTH=2;BYMONTHDAY=30",
    "DTSTART:20240101T000000\nRRULE:FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4;COUNT=10000",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[-60:])
def test_a_rule_that_never_fires_is_known_in_a_moment(text: str) -> None:
    spent = []
    for _ in range(3):
        before = time.process_time()
        assert not list(islice(rrule_walls(parse_rrule(text), datetime(2026, 11, 24, 12, 30)), 3))
        spent.append(time.process_time() - before)
    assert min(spent) < 0.3


NUMBERS = ",".join(map(str, range(60)))


@pytest.mark.parametrize(
    "text",
    [
        f"FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=5;BYMINUTE={NUMBERS};BYSECOND={NUMBERS}",
        f"FREQ=DAILY;BYHOUR=0,23;BYMINUTE={NUMBERS};BYSECOND={NUMBERS}",
        "DTSTART:19700101T000000\nRRULE:FREQ=SECONDLY",
        "DTSTART:19700101T000000\nRRULE:FREQ=MINUTELY;INTERVAL=7",
        "DTSTART:20260101T000000\nRRULE:FREQ=SECONDLY;COUNT=10000",
        "DTSTART:20260101T000000\nRRULE:FREQ=YEARLY;COUNT=10000",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=59",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=23;BYMINUTE=59;BYSECOND=59",
        "FREQ=SECONDLY;INTERVAL=7;BYHOUR=3;BYMINUTE=5;BYSECOND=9",
    ],
    ids=lambda text: text[:60],
)
def test_a_rule_that_is_dense_or_far_off_is_answered_in_a_moment(text: str) -> None:
    spent = []
    for _ in range(3):
        before = time.process_time()
        list(islice(rrule_walls(parse_rrule(text), datetime(2026, 11, 24, 12, 30)), 3))
        spent.append(time.process_time() - before)
    assert min(spent) < 0.3
