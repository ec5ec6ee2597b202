"""Runs whose process has died: found by whoever looks, ended or given back (DESIGN.md, "Liveness").

Same host: the owner's lock file says at once whether it lives; no verdict by
time there, because a call that holds the interpreter for minutes is not death.
Other hosts: no heartbeat for 45 s by the database's clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headrace.core.batch import Batch, Change
from headrace.core.runs import Run
from headrace.core.states import TERMINAL, StateType
from headrace.store import liveness
from headrace.store import schema as t
from headrace.store.rows import row_run
from headrace.store.writing import write_batch

if TYPE_CHECKING:
    from headrace.store import Store

_TERMINAL = [state.value for state in TERMINAL]
#: Ids in one statement.
_CHUNK = 500


def heartbeat(store: Store, run_ids: Sequence[str]) -> None:
    """Say that the owner of these runs lives, for observers on other hosts.

    Parameters
    ----------
    store : Store
    run_ids : sequence of str
        The roots of what the caller's process moves on.
    """
    if not run_ids:
        return
    with store.database.write() as connection:
        now = store.database.now_us(connection)
        for start in range(0, len(run_ids), _CHUNK):
            mine = t.runs.c.id.in_(run_ids[start : start + _CHUNK])
            connection.execute(sa.update(t.runs).where(mine).values(heartbeat_at=now))


def reap(store: Store) -> list[Run]:
    """End, or give back, every run whose owner is dead.

    Returns
    -------
    list of Run
        The runs that were moved, as they are now; the dead process's roots first.
    """
    dead = _dead_owners(store)
    if not dead:
        return []
    unfinished = _unfinished(store, [run.root_id for run in dead.values()])
    owners = {run.owner_id for run in dead.values()}
    changes = []
    by_id = {run.id: run for run in unfinished}
    for run in unfinished:
        if run.owner_id in owners or (run.owner_id is None and _under(run, by_id, owners)):
            changes.append(_verdict(store, run, owners, by_id))
    if not changes:
        return []
    with store.database.write(durable=True) as connection:
        refused = set(write_batch(store.database, connection, Batch(changes=changes)))
    moved = [change.run_id for change in changes if change.run_id not in refused]
    return [run for run in (store.runs.find(run_id) for run_id in moved) if run is not None]


def _dead_owners(store: Store) -> dict[str, Run]:
    """Return one unfinished run of each owner that is dead."""
    query = sa.select(t.runs).where(t.runs.c.state_type.not_in(_TERMINAL), t.runs.c.owner_id.is_not(None))
    with store.database.read() as connection:
        now = store.database.now_us(connection)
        runs = [row_run(row) for row in connection.execute(query)]
    by_owner: dict[str, list[Run]] = {}
    for run in runs:
        by_owner.setdefault(run.owner_id or "", []).append(run)
    dead = {}
    for owner, owned in by_owner.items():
        alive = liveness.is_alive(owner)
        if alive is None:
            seen = max(max(run.heartbeat_at or 0, run.state_at, run.created_at) for run in owned)
            alive = now - seen < liveness.REMOTE_DEATH_SECONDS * 1_000_000
        if not alive:
            dead.update({run.id: run for run in owned})
    return dead


def _unfinished(store: Store, roots: Iterable[str]) -> list[Run]:
    found: list[Run] = []
    wanted = sorted(set(roots))
    with store.database.read() as connection:
        for start in range(0, len(wanted), _CHUNK):
            query = sa.select(t.runs).where(
                t.runs.c.root_id.in_(wanted[start : start + _CHUNK]), t.runs.c.state_type.not_in(_TERMINAL)
            )
            found += [row_run(row) for row in connection.execute(query.order_by(t.runs.c.id))]
    return found


def _under(run: Run, by_id: dict[str, Run], owners: set[str | None]) -> bool:
    """Return whether a run that nobody owns hangs below one whose owner is dead."""
    parent = by_id.get(run.parent_id or "")
    while parent is not None:
        if parent.owner_id in owners:
            return True
        parent = by_id.get(parent.parent_id or "")
    return False


def _verdict(store: Store, run: Run, owners: set[str | None], by_id: dict[str, Run]) -> Change:
    """Return the change that ends a run, or gives it back to the workers."""
    now = store.clock.now_us()
    died = f"the process that ran it (pid {run.pid or '?'} on {run.host or 'an unknown host'}) ended"
    patch: dict[str, object] = {}
    attempt = run.attempt
    if run.state_type is StateType.CANCELLING:
        state, name, message = StateType.CANCELLED, "Cancelled", f"{run.state_message or 'cancelled'}; {died}"
        patch["ended_at"] = now
    elif _can_run_again(run):
        state, name = StateType.SCHEDULED, "AwaitingRetry"
        message = f"attempt {attempt} of {run.max_attempts} ended: {died}"
        attempt += 1
        patch.update(owner_id=None, lease_owner=None, lease_until=None, scheduled_at=now)
    else:
        state, name, message = (
            StateType.CRASHED,
            "Crashed",
            f"{died} without a word; `headrace flow-run retry {run.id}`",
        )
        if run.parent_id in by_id:
            message = died
        patch["ended_at"] = now
        patch["error"] = json.dumps({"type": "CrashedRun", "message": message, "traceback": ""})
    return Change(run.id, run.root_id, attempt, state.value, name, message, now, patch)


def _can_run_again(run: Run) -> bool:
    """Return whether attempts are left and a worker can make them: a root run that came from a deployment or a pool."""
    if run.parent_id is not None or run.attempt >= run.max_attempts or run.details.get("on_crash") == "fail":
        return False
    return run.deployment_id is not None or run.pool is not None
