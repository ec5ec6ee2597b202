"""What makes runs happen: the deployment, its schedules, what became of each slot, and the workers.

A deployment is a notebook or a flow with default parameters, policies and a
pool. A schedule fires it. A slot is one due time of a schedule and what was
decided about it. All are frozen records with the names of the store's columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

#: What happens when a slot comes while an earlier run of the deployment has not ended.
OVERLAPS = ("skip", "queue", "allow", "cancel_running")
#: What happens to slots that nobody was there to fire.
CATCH_UPS = ("latest", "skip", "all")
#: Whether each run takes the file as it is then, or the copy made when it was deployed.
SOURCES = ("live", "pinned")
SCHEDULE_KINDS = ("cron", "interval", "rrule", "once")
#: How the error of a record begins whose row could not be read in full: it is shown, and nothing of it is run.
DAMAGED = "its record is damaged"
#: The pool of runs that name none.
DEFAULT_POOL = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A notebook or flow that runs by itself.

    Parameters
    ----------
    id, name, owner : str
        `name` is unique per owner.
    kind : str
        "notebook" or "flow".
    notebook_path : str or None
        Absolute path of the notebook.
    entrypoint : str or None
        "path.py:flow", "module:flow", or None where a snapshot holds the flow.
    source_mode : str, default "live"
        One of SOURCES.
    snapshot_id : str or None
        The pinned notebook, or a flow that was defined in a cell.
    interpreter : str or None
        Python that runs it (a flow) or that its kernelspec names (a notebook).
    kernel_name : str or None
    kernel_spec : mapping or None
        The kernelspec as it was when it was deployed.
    parameters : mapping
        Default parameters; may hold closed tokens such as `{scheduled_at:%Y-%m}`.
    parameter_schema : mapping or None
        JSON schema.
    description : str
    tags : tuple of str
    pool : str, default "default"
    priority : int, default 0
        Higher first.
    retries : int, default 0
    retry_delay_seconds : float, tuple of float or None
        One delay, or one for each retry.
    timeout_seconds, cell_timeout_seconds : float or None
        Limits of a run and of each of its cells.
    concurrency_limit : int or None
        How many runs of it may be on at once.
    overlap, catch_up : str
        One of OVERLAPS, CATCH_UPS.
    catch_up_limit : int, default 100
        With "all": how many missed slots at most.
    grace_seconds : float or None
        How late a slot may still be run; None: the schedule's own period, at most a day.
    output_path, cwd, env_file : str or None
    paused : bool
        None of its schedules fire.
    retention : mapping or None
        `{runs?: int, days?: float}`: how much of its history is kept.
    error : str or None
        Why it cannot run at the moment.
    revision : int
        Grows with every change.
    created_at, updated_at : int, µs
    details : mapping
        What else is known.
    """

    id: str
    name: str
    owner: str = ""
    kind: str = "notebook"
    notebook_path: str | None = None
    entrypoint: str | None = None
    source_mode: str = "live"
    snapshot_id: str | None = None
    interpreter: str | None = None
    kernel_name: str | None = None
    kernel_spec: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameter_schema: Mapping[str, Any] | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    pool: str = DEFAULT_POOL
    priority: int = 0
    retries: int = 0
    retry_delay_seconds: float | tuple[float, ...] | None = None
    timeout_seconds: float | None = None
    cell_timeout_seconds: float | None = None
    concurrency_limit: int | None = None
    overlap: str = "skip"
    catch_up: str = "latest"
    catch_up_limit: int = 100
    grace_seconds: float | None = None
    output_path: str | None = None
    cwd: str | None = None
    env_file: str | None = None
    paused: bool = False
    retention: Mapping[str, Any] | None = None
    error: str | None = None
    revision: int = 1
    created_at: int = 0
    updated_at: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def program(self) -> str | None:
        """The Python (of another language's kernel, the program) that runs it, None where none was resolved."""
        argv = (self.kernel_spec or {}).get("argv") or [None]
        return self.interpreter or argv[0]

    @property
    def file(self) -> str | None:
        """The notebook or script that runs, None where a module or a kept copy does."""
        if self.snapshot_id is not None:
            return None
        place = (self.entrypoint or "").rpartition(":")[0]
        return self.notebook_path or (place if place.endswith(".py") else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRow:
    """When a deployment fires, as the store holds it.

    Parameters
    ----------
    id, deployment_id, owner : str
    slug : str or None
        A name of its own, unique in the deployment (files of deployments refer to it).
    kind : str
        One of SCHEDULE_KINDS; the fields of the other kinds are None.
    cron : str or None
    day_or : bool, default True
        Day of month and weekday: either matches (cron's rule) or both must.
    interval_seconds : float or None
    anchor_at : int or None, µs
        An instant that the interval hits.
    rrule : str or None
    at : int or None, µs
    timezone : str, default "UTC"
        IANA name.
    parameters : mapping
        Over the deployment's own.
    active : bool
    start_at, end_at : int or None, µs
        No slot before, none at or after.
    jitter_seconds : float, default 0
        A slot fires up to so much later, the same for every scheduler.
    next_slot_at, next_fire_at, last_slot_at : int or None, µs
        Kept by the schedulers.
    error : str or None
        Why it cannot fire; such a schedule harms no other.
    revision : int
    created_at, updated_at : int, µs
    """

    id: str
    deployment_id: str
    owner: str = ""
    slug: str | None = None
    kind: str = "cron"
    cron: str | None = None
    day_or: bool = True
    interval_seconds: float | None = None
    anchor_at: int | None = None
    rrule: str | None = None
    at: int | None = None
    timezone: str = "UTC"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    active: bool = True
    start_at: int | None = None
    end_at: int | None = None
    jitter_seconds: float = 0.0
    next_slot_at: int | None = None
    next_fire_at: int | None = None
    last_slot_at: int | None = None
    error: str | None = None
    revision: int = 1
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One due time of a schedule, and what was decided.

    Parameters
    ----------
    schedule_id : str
    slot_at : int, µs
    decision : str
        "run" or "skipped".
    reason : str
        Why it was skipped: missed, already_running, paused, beyond_limit …
    run_id : str or None
    decided_at : int, µs
    tzdata : str or None
        Version of the time zone data that it was computed with.
    """

    schedule_id: str
    slot_at: int
    decision: str
    reason: str = ""
    run_id: str | None = None
    decided_at: int = 0
    tzdata: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that claims due runs and starts them.

    Parameters
    ----------
    id, name, owner, pool : str
    owner_id : str
        Its owner file (headrace.store.liveness).
    host : str
    pid : int
    version : str
    slots : int
        How many runs it starts at once.
    state : str
        "running", "draining" or "ended".
    started_at, heartbeat_at : int, µs
    details : mapping
    """

    id: str
    name: str = ""
    owner: str = ""
    pool: str = DEFAULT_POOL
    owner_id: str = ""
    host: str = ""
    pid: int = 0
    version: str = ""
    slots: int = 1
    state: str = "running"
    started_at: int = 0
    heartbeat_at: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A named group of workers.

    Parameters
    ----------
    name, owner : str
    type : str, default "local"
        "local" or "dask".
    run_limit : int or None
        How many of its runs may be on at once, over all its workers.
    paused : bool
    details : mapping
    """

    name: str
    owner: str = ""
    type: str = "local"
    run_limit: int | None = None
    paused: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


_columns: dict[type, tuple[str, ...]] = {}


def columns(record: type) -> tuple[str, ...]:
    """Return the column names of one of this module's records."""
    found = _columns.get(record)
    if found is None:
        found = _columns[record] = tuple(f.name for f in fields(record))
    return found
