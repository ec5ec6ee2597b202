"""The words that cross HTTP: how records look as JSON (docs/developer/wire.md describes them all).

Instants are ISO 8601 UTC text, durations seconds, absent values null.
"""

from __future__ import annotations

from typing import Any

from headrace.core.clock import iso
from headrace.core.events import Event
from headrace.core.runs import Edge, LogLine, Run

_INSTANTS = ("state_at", "created_at", "scheduled_at", "started_at", "ended_at", "slot_at", "heartbeat_at")
_PLAIN = [
    "id",
    "root_id",
    "parent_id",
    "name",
    "definition",
    "definition_key",
    "version",
    "owner",
    "host",
    "attempt",
    "max_attempts",
    "state_name",
    "state_message",
    "deployment_id",
    "schedule_id",
    "trigger",
    "resumed_from_id",
    "notebook_path",
    "document_id",
    "cell_id",
    "cell_index",
    "kernel_id",
    "pool",
    "priority",
    "pid",
]


def run_to_wire(run: Run, *, full: bool = False) -> dict[str, Any]:
    """Return a run as JSON values.

    Parameters
    ----------
    run : Run
    full : bool, default False
        With parameters, error, result, cache and details; lists leave them out.
    """
    data: dict[str, Any] = {name: getattr(run, name) for name in _PLAIN}
    data["kind"] = run.kind.value
    data["state_type"] = run.state_type.value
    for name in _INSTANTS:
        data[name] = iso(getattr(run, name))
    data["duration_seconds"] = run.duration_seconds
    data["tags"] = list(run.tags)
    data["progress"] = run.details.get("progress")
    data["cached"] = run.state_name == "Cached"
    data["error_summary"] = (
        None if not run.error else f"{run.error.get('type', '')}: {run.error.get('message', '')}"[:300]
    )
    if full:
        for name in ("parameters", "error", "result", "cache", "details"):
            value = getattr(run, name)
            data[name] = dict(value) if value is not None else None
    return data


def edge_to_wire(edge: Edge) -> dict[str, Any]:
    """Return an edge as JSON values: `{source, target, kind, name}`."""
    return {"source": edge.upstream_id, "target": edge.run_id, "kind": edge.kind.value, "name": edge.name}


def log_to_wire(line: LogLine, number: int) -> dict[str, Any]:
    """Return a log line as JSON values; `number` is its place in the answered list, from 0."""
    return {
        "number": number,
        "seq": line.seq,
        "run_id": line.run_id,
        "at": iso(line.at),
        "level": line.level,
        "logger": line.logger,
        "message": line.message,
    }


def event_to_wire(event: Event) -> dict[str, Any]:
    """Return an event as JSON values."""
    return {
        "seq": event.seq,
        "at": iso(event.at),
        "kind": event.kind,
        "run_id": event.run_id,
        "root_id": event.root_id,
        "attempt": event.attempt,
        "state_type": event.state_type,
        "state_name": event.state_name,
        "message": event.message,
        "subject_id": event.subject_id,
        "payload": dict(event.payload),
    }
