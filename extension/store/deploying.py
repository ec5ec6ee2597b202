"""Deploy and run deployments: what the command line, a flow and the server have in common.

`deploy` is idempotent: told the same again it changes nothing, told something
else it changes that; schedules keep their place in time where they stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from headrace.core import notices, settings
from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.errors import Conflict, NotFound, UsageError
from headrace.core.launching import deployment_run
from headrace.core.runs import Run
from headrace.store import timetable
from headrace.store.deployments import EDITABLE
from headrace.store.housekeeping import old_roots

if TYPE_CHECKING:
    from headrace.store import Store

#: What makes two schedules of a deployment the same one.
_SAME = ("kind", "cron", "day_or", "interval_seconds", "rrule", "at", "timezone")
#: What a schedule may be told anew while it keeps its phase.
_KEPT = ("parameters", "active", "start_at", "end_at", "jitter_seconds", "slug")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What `deploy` did, or would do.

    Parameters
    ----------
    deployment : Deployment
    created : bool
    changes : tuple of str
        What differs from before, a few words each; empty: nothing was changed.
    """

    deployment: Deployment
    created: bool = False
    changes: tuple[str, ...] = field(default=())


def deploy(
    store: Store, deployment: Deployment, schedules: Sequence[Mapping[str, Any]] | None = None, *, dry_run: bool = False
) -> Deployed:
    """Make a deployment, or make the one of this name and owner what it is told to be.

    Parameters
    ----------
    store : Store
    deployment : Deployment
        Its id counts only where it is new.
    schedules : sequence of mapping or None, default None
        As `timetable.build_row` takes them; the deployment has these and no other. None leaves them alone.
    dry_run : bool, default False
        Only say what would change.

    Raises
    ------
    InvalidSchedule
        Nothing was changed.
    """
    now = store.clock.now_us()
    held = store.deployments.named(deployment.name, deployment.owner)
    if held is None:
        rows = [_row(body, deployment, now) for body in schedules or ()]
        if not dry_run:
            deployment = store.deployments.create(deployment, rows)
        return Deployed(deployment=deployment, created=True, changes=("created",))
    # Who is told, and which file made it, are not known where a flow is deployed from Python.
    deployment = replace(deployment, details={**held.details, **deployment.details})
    changed = {
        name: getattr(deployment, name)
        for name in sorted(EDITABLE - {"paused", "error"})
        if getattr(deployment, name) != getattr(held, name)
    }
    words = [name.replace("_", " ") for name in changed if name != "details"]
    if deployment.details.get(notices.KEY) != held.details.get(notices.KEY):
        words.append("who is told")
    plan = None if schedules is None else _plan(store, held, schedules, now)
    words += plan.words if plan else []
    if not dry_run:
        if changed:
            held = store.deployments.update(held.id, **changed)
        if plan is not None:
            plan.carry_out(store)
    return Deployed(deployment=held, changes=tuple(words))


def _row(body: Mapping[str, Any], deployment: Deployment, now: int) -> ScheduleRow:
    row = timetable.build_row(body, deployment_id=deployment.id, owner=deployment.owner, now=now)
    return replace(row, next_slot_at=None, next_fire_at=None) if deployment.paused else row


@dataclass(slots=True)
class _Plan:
    """Which schedules are made, changed and deleted."""

    made: list[ScheduleRow] = field(default_factory=list)
    changed: list[tuple[ScheduleRow, dict[str, Any]]] = field(default_factory=list)
    deleted: list[ScheduleRow] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        counts = (("added", self.made), ("changed", self.changed), ("removed", self.deleted))
        return [f"{len(rows)} schedule{'s' * (len(rows) != 1)} {what}" for what, rows in counts if rows]

    def carry_out(self, store: Store) -> None:
        for row in self.deleted:
            store.schedules.delete(row.id)
        for row, changes in self.changed:
            store.schedules.update(row.id, **changes)
        for row in self.made:
            store.schedules.create(row)


def _plan(store: Store, held: Deployment, bodies: Sequence[Mapping[str, Any]], now: int) -> _Plan:
    present = store.schedules.of_deployments([held.id])[held.id]
    plan = _Plan()
    for body in bodies:
        wanted = _row(body, held, now)
        same = next((row for row in present if _is_same(row, wanted, body)), None)
        if same is None:
            plan.made.append(wanted)
            continue
        present.remove(same)
        changes = {name: getattr(wanted, name) for name in _KEPT if getattr(wanted, name) != getattr(same, name)}
        if set(changes) - {"parameters", "slug"}:
            fresh = timetable.with_next(replace(same, **changes), now)
            changes.update(next_slot_at=fresh.next_slot_at, next_fire_at=fresh.next_fire_at, error=None)
        if changes:
            plan.changed.append((same, changes))
    plan.deleted = present
    return plan


def _is_same(row: ScheduleRow, wanted: ScheduleRow, body: Mapping[str, Any]) -> bool:
    if any(getattr(row, name) != getattr(wanted, name) for name in _SAME):
        return False
    return body.get("anchor_at") is None or row.anchor_at == wanted.anchor_at


def set_paused(store: Store, deployment: Deployment, paused: bool, *, error: str | None = None) -> Deployment:
    """Let none of a deployment's schedules fire, or let them fire again from now on.

    Parameters
    ----------
    store : Store
    deployment : Deployment
    paused : bool
    error : str or None, default None
        Why it was paused, where no person did so.
    """
    made = store.deployments.update(deployment.id, paused=paused, error=error)
    now = store.clock.now_us()
    for row in store.schedules.of_deployments([made.id])[made.id]:
        try:
            fresh = timetable.with_next(replace(row, active=row.active and not paused), now)
        except UsageError as fault:
            store.schedules.update(row.id, error=fault.message, next_slot_at=None, next_fire_at=None)
            continue
        store.schedules.update(row.id, next_slot_at=fresh.next_slot_at, next_fire_at=fresh.next_fire_at)
    return made


def retain(store: Store, *, most: int = 200) -> int:
    """Delete finished runs that their deployment's retention (`{runs?: int, days?: float}`) no longer keeps, and all
    that are older than the setting `retention_days`.

    Parameters
    ----------
    store : Store
    most : int, default 200
        Runs deleted in one call, so that nobody waits long for the database.

    Returns
    -------
    int
        How many root runs were deleted.
    """
    deleted = 0
    for deployment in store.deployments.with_retention():
        retention = deployment.retention or {}
        days = retention.get("days")
        before = None if days is None else store.clock.now_us() - int(float(days) * 86_400_000_000)
        old = store.deployments.runs_beyond(
            deployment.id, keep=retention.get("runs"), before=before, limit=most - deleted
        )
        for run_id in old:
            try:
                store.runs.delete(run_id)
            except (NotFound, Conflict):
                continue
            deleted += 1
        if deleted >= most:
            return deleted
    everywhere = settings.number("RETENTION_DAYS", 0)
    if everywhere > 0:
        for run_id in islice(old_roots(store, older_than_days=everywhere), most - deleted):
            with suppress(NotFound, Conflict):
                store.runs.delete(run_id)
                deleted += 1
    return deleted


def run_deployment(
    store: Store,
    name: str,
    *,
    owner: str,
    parameters: Mapping[str, Any] | None = None,
    scheduled_at: int | None = None,
    run_name: str = "",
    tags: tuple[str, ...] = (),
    idempotency_key: str | None = None,
    trigger: str = "deployment",
) -> Run:
    """Make a run of a deployment; a worker starts it when it is due.

    Parameters
    ----------
    store : Store
    name : str
        The deployment's name (of this owner) or id.
    owner : str
    parameters : mapping or None
        Over the deployment's own.
    scheduled_at : int or None, default now
        µs.
    run_name, tags
        Of the run; the deployment's tags are kept.
    idempotency_key : str or None
    trigger : str, default "deployment"

    Raises
    ------
    NotFound
    Conflict
        The key was used.
    """
    deployment = store.deployments.resolve(name, owner)
    run = deployment_run(
        deployment,
        now=store.clock.now_us(),
        parameters=parameters,
        trigger=trigger,
        scheduled_at=scheduled_at,
        name=run_name,
        tags=tuple(dict.fromkeys((*deployment.tags, *tags))),
        idempotency_key=idempotency_key,
    )
    return store.runs.create(replace(run, owner=owner))
