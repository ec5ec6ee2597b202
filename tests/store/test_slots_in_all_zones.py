"""Crons around every kind of change of clocks that any zone has from 2024 to 2028.

Two judges: a walk over every minute, which shares nothing with the code, and
cronsim, whose rule where clocks are changed is ours.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim

from headrace.core.schedules import CronFields, CronSchedule
from headrace.store.slots import next_slots, slots_between

UTC = timezone.utc
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def wall_time(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def first_minute(zone: ZoneInfo, start: datetime) -> datetime:
    """Return the first minute after `start` that has another offset; it comes within a day."""
    low, high = 0, 1440
    while high - low > 1:
        middle = (low + high) // 2
        same = (start + middle * MINUTE).astimezone(zone).utcoffset() == start.astimezone(zone).utcoffset()
        low, high = (middle, high) if same else (low, middle)
    return start + high * MINUTE


@lru_cache
def changes() -> dict[str, tuple[datetime, ...]]:
    """Every zone whose offset changes, with the instants (whole minutes)."""
    noons = [FIRST + timedelta(days=number, hours=12) for number in range((LAST - FIRST).days)]
    found = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        offsets = [noon.astimezone(zone).utcoffset() for noon in noons]
        days = [number for number in range(1, len(noons)) if offsets[number] != offsets[number - 1]]
        if days:
            found[name] = tuple(first_minute(zone, noons[number - 1]) for number in days)
    return found


def fires(fields: CronFields, wall: datetime) -> bool:
    """Whether a cron names a wall time; only the forms that this file writes."""
    return (
        wall.minute in fields.minutes
        and wall.hour in fields.hours
        and wall.day in fields.days
        and wall.month in fields.months
        and wall.isoweekday() % 7 in fields.weekdays
    )


def walk(fields: CronFields, walls: list[datetime], start: datetime) -> list[datetime]:
    """Return the slots by a walk over the minutes from `start` on, of which `walls` are the wall times.

    A fixed time fires in the minute in which the clock first shows it or something later. With stars
    every minute fires whose own wall time fits.
    """
    slots = []
    shown = walls[0] - MINUTE
    for number, wall in enumerate(walls):
        if fields.fixed:
            passed = (shown + count * MINUTE for count in range(1, int((wall - shown) / MINUTE) + 1))
            due = any(fires(fields, time) for time in passed)
            shown = max(shown, wall)
        else:
            due = fires(fields, wall)
        if due:
            slots.append(start + number * MINUTE)
    return slots


def near(dice: random.Random, wall: datetime) -> str:
    """Return an expression that is busy around a wall time."""
    hours = sorted({(wall.hour + shift) % 24 for shift in dice.sample([-1, 0, 0, 0, 1, 2], 2)})
    minutes = sorted(dice.sample([0, 0, 1, 15, 29, 30, 45, 59], 3))
    minute = dice.choice([",".join(map(str, minutes)), str(minutes[0]), str(minutes[2]), "*/15", "*", "*/7"])
    hour = dice.choice([",".join(map(str, hours)), ",".join(map(str, hours)), str(hours[0]), "*", "*/2", "1-22"])
    day = dice.choice(["* * *", "* * *", f"* * {wall.isoweekday() % 7}", f"{wall.day} * *", f"* {wall.month} *"])
    return f"{minute} {hour} {day}"


def test_every_zone_that_changes_its_clocks_is_known_here() -> None:
    assert len(changes()) > 150
    telling = {"America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "Asia/Beirut", "Africa/Cairo"}
    assert telling <= set(changes())


@pytest.mark.parametrize("part", range(4))
def test_slots_are_those_of_a_walk_over_every_minute(part: int) -> None:
    dice = random.Random(f"walk {part}")
    for name in list(changes())[part::4]:
        zone = ZoneInfo(name)
        forward = [at for at in changes()[name] if wall_time(at, zone) - wall_time(at - MINUTE, zone) > MINUTE]
        backward = [at for at in changes()[name] if at not in forward]
        for change in [dice.choice(kind) for kind in (forward, backward) if kind]:
            start = change - timedelta(hours=dice.randint(3, 27), minutes=dice.randint(0, 59))
            end = change + timedelta(hours=dice.randint(3, 25))
            minutes = range(int((end - start) / MINUTE) + 1)
            walls = [wall_time(start + count * MINUTE, zone) for count in minutes]
            for _ in range(4):
                schedule = CronSchedule(cron=near(dice, wall_time(change, zone)), timezone=name)
                expected = walk(schedule.fields, walls, start)
                assert slots_between(schedule, start, end, 10_000) == expected, (schedule, start)


def cronsim_means_it(schedule: CronSchedule, zone: ZoneInfo, change: datetime) -> bool:
    """Whether cronsim's answer is what its own rule says.

    With stars, 2.8 passes over hours after a change by half an hour (Lord Howe on 2024-04-07, `0 */3 * * *`), a
    change within an hour (Chatham on 2027-09-26, `*/15 3,5 * * *`) and a gap at midnight (Coyhaique on 2024-09-08,
    `* 1-22 8 * *`).
    """
    before, after = wall_time(change - MINUTE, zone), wall_time(change, zone)
    whole_hours = (after - before - MINUTE) % timedelta(hours=1) == timedelta(0)
    return schedule.fields.fixed or (whole_hours and after.minute == 0 and before.date() == after.date())


def test_slots_are_those_of_cronsim() -> None:
    dice = random.Random("cronsim")
    compared = 0
    for name in changes():
        zone = ZoneInfo(name)
        for change in dice.sample(changes()[name], min(2, len(changes()[name]))):
            start = change - timedelta(hours=dice.randint(3, 30), minutes=dice.randint(0, 59))
            for _ in range(3):
                schedule = CronSchedule(cron=near(dice, wall_time(change, zone)), timezone=name)
                if cronsim_means_it(schedule, zone, change):
                    theirs = islice(CronSim(schedule.cron, start.astimezone(zone)), 12)
                    assert next_slots(schedule, start, 12) == [wall.astimezone(UTC) for wall in theirs], (
                        schedule,
                        start,
                    )
                    compared += 1
    assert compared > 800


def test_years_of_slots_are_those_of_cronsim() -> None:
    fixed = ["30 2 * * *", "30 1 * * 1-5", "0 0 * * *", "45 23 L * *", "15 0,1,2,3 * * *", "0 9 * * 1#2"]
    for name in ("America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll"):
        stars = ["0 */3 * * *", "*/20 1,2 * * *"] if name in ("America/New_York", "Africa/Casablanca") else []
        for cron in fixed + stars:
            ours = next_slots(CronSchedule(cron=cron, timezone=name), FIRST, 1500)
            theirs = islice(CronSim(cron, FIRST.astimezone(ZoneInfo(name))), 1500)
            assert ours == [wall.astimezone(UTC) for wall in theirs], (name, cron)
