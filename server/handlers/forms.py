"""The forms that several routes share."""

from __future__ import annotations

from headrace.core.deployments import CATCH_UPS, OVERLAPS, SOURCES
from headrace.core.policies import MAX_CATCH_UP
from headrace.server.forms import (
    Field,
    Form,
    choice,
    delays,
    flag,
    identifier,
    number,
    record,
    records,
    text,
    whole,
    with_fields,
    words,
)

NOTHING = Form()
NAME = text("name", most=200, least=1)
REVISION = whole("revision", least=1)
PARAMETERS = record("parameters", help="Values over the defaults.")
PATH = 4096
LIMIT = whole("limit", least=1, most=200, default=50)
CURSOR = text("cursor", most=2000)
PAGE: tuple[Field, ...] = (LIMIT, CURSOR)
POOL = text("pool", most=100, least=1)
TAGS = words("tags")
RETRIES = whole("retries", most=100)
TIMEOUT = number("timeout_seconds", above=True, nullable=True, help="Limit of a run.")
CELL_TIMEOUT = number("cell_timeout_seconds", above=True, nullable=True, help="Limit of each cell.")

#: When a schedule fires: exactly one of cron, interval_seconds, rrule, at. The grammar is headrace.core.schedules.
TIMING = Form(
    (
        text("cron", most=128, nullable=True),
        flag("day_or", nullable=True),
        number("interval_seconds", above=True, most=4e9, nullable=True),
        text("anchor_at", most=40, nullable=True, help="ISO 8601; without an offset a wall time of the zone."),
        text("rrule", most=6500, nullable=True),
        text("at", most=40, nullable=True, help="ISO 8601; without an offset a wall time of the zone."),
        text("timezone", most=100, nullable=True, help="IANA name."),
        text("start_at", most=40, nullable=True),
        text("end_at", most=40, nullable=True),
        number("jitter_seconds", most=86_400),
    )
)
SCHEDULE = with_fields(TIMING, (record("parameters"), flag("active"), text("slug", most=100, least=1, nullable=True)))
AGREED = text(
    "agreed", most=64, least=64, help="SHA-256 of the notebook that one has looked at and lets run by itself."
)
NEW_SCHEDULE = with_fields(
    SCHEDULE,
    (
        AGREED,
        identifier("deployment_id"),
        text("notebook", most=PATH, least=1, help="Makes the deployment of a notebook too."),
        text("name", most=200, least=1),
        text("kernel_name", most=200, least=1, nullable=True),
    ),
    one_of=("deployment_id", "notebook"),
)
PREVIEW = with_fields(
    SCHEDULE,
    (
        identifier("deployment_id", help="Its parameters and output path are shown too."),
        text("notebook", most=PATH, least=1, help="For the token {notebook}."),
        text("output_path", most=PATH, nullable=True),
    ),
)
CHANGED_SCHEDULE = with_fields(SCHEDULE, (REVISION,))

_RULE = Form((words("events", most=3, required=True), text("to", most=2000, least=3, required=True)))
#: Who is told when runs fail, recover or are late.
NOTIFY = records("notify", _RULE, most=20)
_DEPLOYMENT: tuple[Field, ...] = (
    text("notebook", most=PATH, least=1),
    text("entrypoint", most=1000, least=3, help="path.py:flow or package.module:flow."),
    PARAMETERS,
    text("description", most=20_000),
    TAGS,
    text("kernel_name", most=200, least=1, nullable=True),
    POOL,
    whole("priority", least=-1000, most=1000),
    RETRIES,
    delays("retry_delay_seconds", nullable=True),
    TIMEOUT,
    CELL_TIMEOUT,
    whole("concurrency_limit", least=1, nullable=True),
    choice("overlap", OVERLAPS),
    choice("catch_up", CATCH_UPS),
    whole("catch_up_limit", least=1, most=MAX_CATCH_UP),
    number("grace_seconds", most=10 * 366 * 86_400.0, nullable=True),
    text("output_path", most=PATH, nullable=True),
    text("cwd", most=PATH),
    text("env_file", most=PATH, nullable=True),
    choice("source", SOURCES),
    flag("paused"),
    record("retention", nullable=True),
    NOTIFY,
    AGREED,
)
NEW_DEPLOYMENT = Form(
    (text("name", most=200, least=1, required=True), *_DEPLOYMENT, records("schedules", SCHEDULE, most=50)),
    one_of=("notebook", "entrypoint"),
)
CHANGED_DEPLOYMENT = Form((NAME, *_DEPLOYMENT, REVISION))
