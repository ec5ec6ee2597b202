"""Schedules: values, grammar, words. When they fire is computed in `headrace.store.slots`."""

from headrace.core.schedules.cron import ALIASES, MAX_CRON_LENGTH, CronFields, parse_cron
from headrace.core.schedules.records import (
    CronSchedule,
    IntervalSchedule,
    OneOffSchedule,
    RRuleSchedule,
    Schedule,
    ScheduleOptions,
    jitter,
)
from headrace.core.schedules.rrule import RRuleFields, parse_rrule
from headrace.core.schedules.sentence import describe
from headrace.core.schedules.wire import SCHEDULE_KEYS, from_wire, kind_of, to_wire
from headrace.core.schedules.zones import EARLIEST, LATEST, find_zone

__all__ = [
    "ALIASES",
    "EARLIEST",
    "LATEST",
    "MAX_CRON_LENGTH",
    "SCHEDULE_KEYS",
    "CronFields",
    "CronSchedule",
    "IntervalSchedule",
    "OneOffSchedule",
    "RRuleFields",
    "RRuleSchedule",
    "Schedule",
    "ScheduleOptions",
    "describe",
    "find_zone",
    "from_wire",
    "jitter",
    "kind_of",
    "parse_cron",
    "parse_rrule",
    "to_wire",
]
