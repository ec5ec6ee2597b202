"""How deployments, schedules, slots and workers look as JSON (docs/developer/wire.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from headrace.core import notices
from headrace.core.clock import iso
from headrace.core.deployments import Deployment, ScheduleRow, Slot, Worker
from headrace.core.runs import Run

_DEPLOYMENT = (
    *("id", "name", "owner", "kind", "notebook_path", "entrypoint", "snapshot_id", "interpreter", "kernel_name"),
    *("description", "pool", "priority", "retries", "timeout_seconds", "cell_timeout_seconds", "concurrency_limit"),
    *("overlap", "catch_up", "catch_up_limit", "grace_seconds", "output_path", "cwd", "env_file", "paused", "error"),
    "revision",
)
_SCHEDULE = (
    *("id", "deployment_id", "slug", "kind", "cron", "day_or", "interval_seconds", "rrule", "timezone", "active"),
    *("jitter_seconds", "error", "revision"),
)
_SCHEDULE_INSTANTS = ("anchor_at", "at", "start_at", "end_at", "next_fire_at", "created_at", "updated_at")


def deployment_to_wire(deployment: Deployment) -> dict[str, Any]:
    """Return a deployment as JSON values, without its schedules and runs."""
    data = {name: getattr(deployment, name) for name in _DEPLOYMENT}
    delay = deployment.retry_delay_seconds
    data["retry_delay_seconds"] = list(delay) if isinstance(delay, tuple) else delay
    data["source"] = deployment.source_mode
    data["interpreter"] = deployment.program
    data["parameters"] = dict(deployment.parameters)
    data["parameter_schema"] = dict(deployment.parameter_schema) if deployment.parameter_schema else None
    data["retention"] = dict(deployment.retention) if deployment.retention else None
    data["tags"] = list(deployment.tags)
    data["created_at"], data["updated_at"] = iso(deployment.created_at), iso(deployment.updated_at)
    return data


def notice_to_wire(notice: Any) -> dict[str, Any]:
    """Return a notice as JSON values; what its address keeps secret is masked."""
    return {
        "run_id": notice.run_id,
        "event": notice.event,
        "to": notices.shown(notice.address),
        "created_at": iso(notice.created_at),
        "sent_at": iso(notice.sent_at),
        "next_at": iso(notice.next_at),
        "attempts": notice.attempts,
        "error": notice.error,
    }


def last_run_to_wire(run: Run) -> dict[str, Any]:
    """Return what a deployment shows of one of its last runs."""
    return {
        "id": run.id,
        "name": run.name,
        "state_type": run.state_type.value,
        "state_name": run.state_name,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "duration_seconds": run.duration_seconds,
    }


def schedule_to_wire(schedule: ScheduleRow, deployment: Deployment | None, sentence: str) -> dict[str, Any]:
    """Return a schedule as JSON values.

    Parameters
    ----------
    schedule : ScheduleRow
    deployment : Deployment or None
    sentence : str
        The schedule in words; "" where it cannot be read.
    """
    data = {name: getattr(schedule, name) for name in _SCHEDULE}
    for name in _SCHEDULE_INSTANTS:
        data[name] = iso(getattr(schedule, name))
    data["last_fire_at"] = iso(schedule.last_slot_at)
    data["parameters"] = dict(schedule.parameters)
    data["deployment_name"] = deployment.name if deployment else None
    data["notebook_path"] = deployment.notebook_path if deployment else None
    data["deployment_paused"] = deployment.paused if deployment else False
    data["sentence"] = sentence
    return data


def slot_to_wire(slot: Slot) -> dict[str, Any]:
    """Return a slot as JSON values."""
    return {
        "slot_at": iso(slot.slot_at),
        "decision": slot.decision,
        "reason": slot.reason,
        "run_id": slot.run_id,
        "decided_at": iso(slot.decided_at),
    }


def worker_to_wire(worker: Worker, *, alive: bool, running: int) -> dict[str, Any]:
    """Return a worker as JSON values."""
    return {
        "id": worker.id,
        "name": worker.name,
        "owner": worker.owner,
        "pool": worker.pool,
        "host": worker.host,
        "pid": worker.pid,
        "started_at": iso(worker.started_at),
        "heartbeat_at": iso(worker.heartbeat_at),
        "alive": alive,
        "state": worker.state,
        "limit": worker.slots,
        "running": running,
        "version": worker.version,
    }


def matrix_to_wire(runs: Iterable[Run], below: Mapping[str, Iterable[Run]]) -> dict[str, Any]:
    """Return the grid of a deployment's runs (columns) and the tasks or cells in them (rows).

    Parameters
    ----------
    runs : iterable of Run
        Newest last.
    below : mapping of root id to its runs one level down
    """
    columns = list(runs)
    rows: dict[str, str] = {}
    found: dict[tuple[str, str], Run] = {}
    seen = Counter(run.cell_id for root in columns for run in below.get(root.id, ()) if run.cell_id is not None)
    for root in columns:
        for run in below.get(root.id, ()):
            # A cell that a run injected has an id that no other run knows: its name is what they share.
            cell = run.cell_id if run.cell_id is None or seen[run.cell_id] > 1 or len(columns) == 1 else run.name
            key = cell or run.definition_key or run.definition
            rows.setdefault(key, run.definition or run.name)
            found[key, root.id] = run
    cells = []
    for key in rows:
        line: list[dict[str, Any] | None] = []
        for root in columns:
            one = found.get((key, root.id))
            line.append(
                None
                if one is None
                else {
                    "run_id": one.id,
                    "state_type": one.state_type.value,
                    "state_name": one.state_name,
                    "duration_seconds": one.duration_seconds,
                }
            )
        cells.append(line)
    return {"rows": [{"key": key, "name": name} for key, name in rows.items()], "cells": cells}
