"""What is worth telling: runs of deployments with rules that failed, recovered, or are late."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from headrace.core.clock import iso
from headrace.core.deployments import Deployment
from headrace.core.masking import Masking
from headrace.core.notices import LATE_SECONDS, Notice, rules_of
from headrace.core.runs import Run
from headrace.core.states import StateType
from headrace.store.notices import notice_id

if TYPE_CHECKING:
    from headrace.store import Store

#: So many runs of a deployment are looked at; more than that do not end between two looks.
LOOKED_AT = 30
_BAD = (StateType.FAILED, StateType.CRASHED)
_US = 1_000_000
log = logging.getLogger("headrace.notices")


def event_of(run: Run, earlier: Run | None, now: int) -> str | None:
    """Return what a run is worth telling: "failed", "recovered", "late", or None.

    Parameters
    ----------
    run : Run
        A root run of a deployment.
    earlier : Run or None
        The one that ended before it.
    now : int, µs
    """
    if run.state_type in _BAD:
        return "failed"
    if run.state_type is StateType.COMPLETED:
        return "recovered" if earlier is not None and earlier.state_type in _BAD else None
    due = run.scheduled_at or run.created_at
    waits = run.state_type is StateType.SCHEDULED and run.owner_id is None and run.state_name != "AwaitingRetry"
    return "late" if waits and now - due > LATE_SECONDS * _US else None


def _error(run: Run) -> str | None:
    """Return a run's error in a line, secrets taken out: it leaves this machine."""
    error = run.error or {}
    text = f"{error.get('type') or 'Error'}: {error.get('message') or ''}" if error else run.state_message
    return Masking(run.parameters).text(text)[:1000] or None


def facts(deployment: Deployment, run: Run) -> dict[str, Any]:
    """Return what is told of a run."""
    return {
        "deployment": {"id": deployment.id, "name": deployment.name},
        "run": {
            "id": run.id,
            "name": run.name,
            "state_type": run.state_type.value,
            "state_name": run.state_name,
            "scheduled_at": iso(run.scheduled_at),
            "started_at": iso(run.started_at),
            "ended_at": iso(run.ended_at),
            "duration_seconds": run.duration_seconds,
            "error": _error(run),
            "notebook_path": run.notebook_path,
        },
    }


def find(store: Store, *, owner: str) -> list[Notice]:
    """Return a person's notices that are to be made now; those that were made before are left out."""
    now = store.clock.now_us()
    found: list[Notice] = []
    for deployment in store.notices.watched(owner=owner):
        try:
            rules, since = rules_of(deployment.details)
        except (LookupError, TypeError, ValueError) as error:
            log.warning("deployment %s has rules of no use: %r", deployment.id, error)
            continue
        runs = store.deployments.last_runs(deployment.id, limit=LOOKED_AT)
        ended = sorted((r for r in runs if r.ended_at is not None), key=lambda r: (r.ended_at or 0, r.id))
        before = {run.id: ended[at - 1] if at else None for at, run in enumerate(ended)}
        for run in runs:
            at = run.ended_at if run.ended_at is not None else (run.scheduled_at or run.created_at)
            event = event_of(run, before.get(run.id), now) if at >= since else None
            if event is None:
                continue
            found += [
                Notice(
                    id=notice_id(run.id, event, rule.to),
                    deployment_id=deployment.id,
                    run_id=run.id,
                    owner=deployment.owner,
                    event=event,
                    address=rule.to,
                    details=facts(deployment, run),
                )
                for rule in rules
                if event in rule.events
            ]
    known = store.notices.known([notice.id for notice in found])
    return [notice for notice in found if notice.id not in known]
