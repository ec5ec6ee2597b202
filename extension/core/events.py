"""Events: past-tense facts with a strictly increasing sequence number.

A run's state change *is* its event: one table holds both. What reads the
journal (the browser stream, automations, waiting processes) asks for
everything after a sequence number and misses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Kinds of events. `run.state` rows are the history of a run's states.
RUN_STATE = "run.state"
RUN_FENCED = "run.fenced"
RUN_CANCEL_REQUESTED = "run.cancel_requested"
RUN_DELETED = "run.deleted"
RUN_UPDATED = "run.updated"
LOGS_APPENDED = "logs.appended"
OUTPUT_APPENDED = "output.appended"
DEPLOYMENT_CHANGED = "deployment.changed"
DEPLOYMENT_DELETED = "deployment.deleted"
SCHEDULE_CHANGED = "schedule.changed"
SCHEDULE_DELETED = "schedule.deleted"
SLOT_DECIDED = "slot.decided"
WORKER_CHANGED = "worker.changed"
LIMIT_CHANGED = "limit.changed"
DOCUMENT_CHANGED = "document.changed"
ARTIFACT_CREATED = "artifact.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the journal.

    Parameters
    ----------
    seq : int
        Strictly increasing; equal to commit order.
    at : int, µs
        When it happened.
    kind : str
        One of this module's constants.
    run_id, root_id : str or None
        The run it is about.
    attempt : int or None
    state_type, state_name, message : str or None
        For `run.state`.
    subject_id : str or None
        The deployment, schedule, worker … it is about.
    owner : str or None
    payload : mapping
        What else belongs to the fact, JSON.
    """

    seq: int
    at: int
    kind: str
    run_id: str | None = None
    root_id: str | None = None
    attempt: int | None = None
    state_type: str | None = None
    state_name: str | None = None
    message: str | None = None
    subject_id: str | None = None
    owner: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
