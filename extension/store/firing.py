"""Deciding slots: one transaction writes a slot's row, its run and the schedule's next time.

It is guarded by the schedule's stored `next_slot_at`: however many schedulers
race, each slot has one row and at most one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.batch import Batch, Change
from headrace.core.deployments import ScheduleRow
from headrace.core.events import RUN_CANCEL_REQUESTED, SLOT_DECIDED
from headrace.core.failpoints import reach
from headrace.core.runs import Run
from headrace.core.states import TERMINAL, StateType
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.rows import run_row, run_values
from headrace.store.writing import insert, write_batch

_ACTIVE = tuple(s.value for s in StateType if s not in TERMINAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A slot that a scheduler wants to decide: run it, or skip it for a reason."""

    slot_at: int
    run: Run | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What a scheduler wants to do with one due schedule.

    Parameters
    ----------
    schedule : ScheduleRow
        As it was read; `next_slot_at` is the guard.
    due : sequence of Due
    next_slot_at, next_fire_at : int or None, µs
        What it is set to.
    overlap : str, default "allow"
        The deployment's policy, applied inside the transaction.
    tzdata : str or None
    """

    schedule: ScheduleRow
    due: Sequence[Due]
    next_slot_at: int | None
    next_fire_at: int | None
    overlap: str = "allow"
    tzdata: str | None = None


class _Busy(NamedTuple):
    """A root run that has not ended."""

    run_id: str
    state_type: str
    attempt: int
    owner_id: str | None


@dataclass(slots=True)
class _Plan:
    """What one transaction of `fire` writes."""

    batch: Batch = field(default_factory=Batch)
    slots: list[tuple[Any, ...]] = field(default_factory=list)
    advances: list[tuple[Any, ...]] = field(default_factory=list)
    made: list[Run] = field(default_factory=list)


class SlotWriter:
    """Writes slots.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def fire(self, firings: Sequence[Firing]) -> list[Run]:
        """Decide due slots; see `Schedules.fire`."""
        by_id = {f.schedule.id: f for f in firings}
        with self._db.write(durable=True) as connection:
            standing = self._standing(connection, by_id)
            taken = self._taken(connection, standing)
            busy = self._busy(connection, standing)
            now, plan = self._db.clock.now_us(), _Plan()
            for firing in standing:
                self._decide(firing, now, taken, busy, plan)
            reach("after_slot_before_insert")
            names = ("schedule_id", "slot_at", "decision", "reason", "run_id", "decided_at", "tzdata")
            insert(self._db, connection, "slots", names, plan.slots, ignore=True)
            if plan.advances:
                statement = (
                    "UPDATE schedules SET next_slot_at = ?, next_fire_at = ?, last_slot_at = ?, error = NULL "
                    "WHERE id = ?"
                )
                connection.exec_driver_sql(self._db.sql(statement), plan.advances)
            write_batch(self._db, connection, plan.batch)
        return plan.made

    def backfill(self, schedule: ScheduleRow, due: Sequence[Due]) -> list[Run]:
        """Run slots of the past; see `Schedules.backfill`."""
        c = t.slots.c
        with self._db.write(durable=True) as connection:
            lock = sa.select(t.schedules.c.id).where(t.schedules.c.id == schedule.id)
            connection.execute(lock.with_for_update() if self._db.dialect != "sqlite" else lock)
            query = sa.select(c.slot_at, c.run_id).where(c.schedule_id == schedule.id)
            held: dict[int, str | None] = {}
            if due:
                within = query.where(c.slot_at >= due[0].slot_at, c.slot_at <= due[-1].slot_at)
                held = {row.slot_at: row.run_id for row in connection.execute(within)}
            now, batch, made = self._db.clock.now_us(), Batch(), []
            for item in due:
                if item.run is None or held.get(item.slot_at) is not None:
                    continue
                values = {"decision": "run", "reason": "backfilled", "run_id": item.run.id, "decided_at": now}
                if item.slot_at in held:
                    where = sa.and_(c.schedule_id == schedule.id, c.slot_at == item.slot_at)
                    connection.execute(sa.update(t.slots).where(where).values(**values))
                else:
                    key = {"schedule_id": schedule.id, "slot_at": item.slot_at}
                    connection.execute(sa.insert(t.slots).values(**key, **values))
                _add_run(batch, item.run, now)
                made.append(item.run)
            payload = '{"deployment_id":"' + schedule.deployment_id + '"}'
            batch.events.append((now, SLOT_DECIDED, None, None, schedule.id, schedule.owner, payload))
            write_batch(self._db, connection, batch)
        return made

    def _standing(self, connection: Connection, by_id: dict[str, Firing]) -> list[Firing]:
        """Return the firings whose schedule still is as it was read; on PostgreSQL those rows are now locked."""
        c, found, ids = t.schedules.c, [], sorted(by_id)
        for start in range(0, len(ids), 500):
            query = sa.select(c.id, c.next_slot_at, c.revision, c.active).where(c.id.in_(ids[start : start + 500]))
            if self._db.dialect != "sqlite":
                query = query.order_by(c.id).with_for_update(skip_locked=True)
            for row in connection.execute(query):
                seen = by_id[row.id].schedule
                if row.active and row.next_slot_at == seen.next_slot_at and row.revision == seen.revision:
                    found.append(by_id[row.id])
        return found

    def _taken(self, connection: Connection, firings: Sequence[Firing]) -> set[tuple[str, int]]:
        """Return the slots among these that have a row already (a clock that went back)."""
        taken: set[tuple[str, int]] = set()
        c = t.slots.c
        for start in range(0, len(firings), 500):
            part = firings[start : start + 500]
            moments = [d.slot_at for f in part for d in f.due]
            if moments:
                query = sa.select(c.schedule_id, c.slot_at).where(
                    c.schedule_id.in_([f.schedule.id for f in part]),
                    c.slot_at >= min(moments),
                    c.slot_at <= max(moments),
                )
                taken.update((row.schedule_id, row.slot_at) for row in connection.execute(query))
        return taken

    def _busy(self, connection: Connection, firings: Sequence[Firing]) -> dict[str, list[_Busy]]:
        """Return the unfinished root runs of each deployment that minds an overlap."""
        wanted = sorted({f.schedule.deployment_id for f in firings if f.overlap in ("skip", "cancel_running")})
        busy: dict[str, list[_Busy]] = {i: [] for i in wanted}
        c = t.runs.c
        for start in range(0, len(wanted), 500):
            query = sa.select(c.id, c.deployment_id, c.state_type, c.attempt, c.owner_id).where(
                c.state_type.in_(_ACTIVE), c.parent_id.is_(None), c.deployment_id.in_(wanted[start : start + 500])
            )
            for row in connection.execute(query):
                busy[row.deployment_id].append(_Busy(row.id, row.state_type, row.attempt, row.owner_id))
        return busy

    def _decide(
        self,
        firing: Firing,
        now: int,
        taken: set[tuple[str, int]],
        busy: dict[str, list[_Busy]],
        plan: _Plan,
    ) -> None:
        schedule, batch = firing.schedule, plan.batch
        before = busy.get(schedule.deployment_id, [])
        for due in firing.due:
            if (schedule.id, due.slot_at) in taken:
                continue
            run, reason = due.run, due.reason
            if run is not None and before and firing.overlap == "skip":
                run, reason = None, "already_running"
            plan.slots.append(
                (
                    schedule.id,
                    due.slot_at,
                    "skipped" if run is None else "run",
                    reason,
                    None if run is None else run.id,
                    now,
                    firing.tzdata,
                )
            )
            if run is None:
                continue
            if firing.overlap == "cancel_running":
                for earlier in before:
                    _cancel(batch, earlier, now)
                before = []
            if schedule.deployment_id in busy:
                before = [*before, _Busy(run.id, run.state_type.value, run.attempt, None)]
                busy[schedule.deployment_id] = before
            _add_run(batch, run, now)
            plan.made.append(run)
        last = max((d.slot_at for d in firing.due), default=schedule.last_slot_at)
        plan.advances.append((firing.next_slot_at, firing.next_fire_at, last, schedule.id))
        payload = '{"deployment_id":"' + schedule.deployment_id + '"}'
        batch.events.append((now, SLOT_DECIDED, None, None, schedule.id, schedule.owner, payload))


def _add_run(batch: Batch, run: Run, now: int) -> None:
    """Add a new run with its first state to a batch."""
    batch.runs.append(run_row(run_values(run)))
    batch.births.append(
        Change(run.id, run.root_id, run.attempt, run.state_type.value, run.state_name, run.state_message, now)
    )


def _cancel(batch: Batch, run: _Busy, now: int) -> None:
    """Ask for the cancel of a run that makes room for a newer slot."""
    why = "cancelled to make room for the next scheduled run"
    if run.state_type == StateType.SCHEDULED.value and run.owner_id is None:
        ended = {"ended_at": now}
        batch.changes.append(Change(run.run_id, run.run_id, run.attempt, "CANCELLED", "Cancelled", why, now, ended))
    elif run.state_type != StateType.CANCELLING.value:
        batch.changes.append(Change(run.run_id, run.run_id, run.attempt, "CANCELLING", "Cancelling", why, now))
        batch.events.append((now, RUN_CANCEL_REQUESTED, run.run_id, run.run_id, None, None, "{}"))
