"""Schedules and their slots in the store.

How slots are decided is headrace.store.firing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.batch import Batch
from headrace.core.deployments import Deployment, ScheduleRow, Slot
from headrace.core.errors import Conflict, NotFound
from headrace.core.events import SCHEDULE_CHANGED, SCHEDULE_DELETED
from headrace.core.runs import Run
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.firing import Due, Firing, SlotWriter
from headrace.store.records import record_of, value_of, values_of
from headrace.store.writing import write_batch

#: Fields that say when a schedule fires; a change of one makes its next time anew.
TIMING = frozenset(
    {
        *("kind", "cron", "day_or", "interval_seconds", "anchor_at", "rrule", "at", "timezone", "start_at", "end_at"),
        *("jitter_seconds", "active"),
    }
)
EDITABLE = TIMING | {"slug", "parameters", "next_slot_at", "next_fire_at", "error"}
_DUE = sa.and_(t.schedules.c.active == 1, t.schedules.c.next_fire_at.is_not(None))


class Schedules:
    """The store's verbs for schedules and slots.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def _told(self, connection: Connection, kind: str, schedule_id: str, owner: str, deployment_id: str) -> None:
        payload = '{"deployment_id":"' + deployment_id + '"}'
        event = (self._db.clock.now_us(), kind, None, None, schedule_id, owner, payload)
        write_batch(self._db, connection, Batch(events=[event]))

    def create(self, schedule: ScheduleRow) -> ScheduleRow:
        """Store a new schedule; the caller has checked it and set its next time.

        Raises
        ------
        NotFound
            Its deployment is not there.
        Conflict
            The deployment has a schedule with this slug.
        """
        with self._db.write(durable=True) as connection:
            return self.create_in(connection, schedule)

    def create_in(self, connection: Connection, schedule: ScheduleRow) -> ScheduleRow:
        """Store a new schedule in the caller's transaction."""
        c, now = t.schedules.c, self._db.clock.now_us()
        known = connection.execute(sa.select(t.deployments.c.id).where(t.deployments.c.id == schedule.deployment_id))
        if known.first() is None:
            raise NotFound(f"There is no deployment {schedule.deployment_id!r}.", field="deployment_id")
        if schedule.slug is not None:
            same = sa.select(c.id).where(c.deployment_id == schedule.deployment_id, c.slug == schedule.slug)
            if connection.execute(same).first() is not None:
                raise Conflict(f"The deployment has a schedule {schedule.slug!r} already.", field="slug")
        connection.execute(
            sa.insert(t.schedules).values(**{**values_of(schedule), "created_at": now, "updated_at": now})
        )
        self._told(connection, SCHEDULE_CHANGED, schedule.id, schedule.owner, schedule.deployment_id)
        return self._get(connection, schedule.id)

    def update(self, schedule_id: str, *, revision: int | None = None, **changes: Any) -> ScheduleRow:
        """Change fields of a schedule.

        Parameters
        ----------
        schedule_id : str
        revision : int or None, default None
            The revision that the caller saw; None changes whatever is there.
        **changes
            Fields of EDITABLE; whoever changes one of TIMING gives the next time too.

        Raises
        ------
        NotFound
        Conflict
            It was changed meanwhile.
        """
        unknown = set(changes) - EDITABLE
        if unknown:
            raise TypeError(f"schedules have no editable field {sorted(unknown)}")
        with self._db.write(durable=True) as connection:
            held = self._get(connection, schedule_id)
            if revision is not None and revision != held.revision:
                raise Conflict(f"The schedule was changed meanwhile (revision {held.revision}).", field="revision")
            values = {name: value_of(name, value) for name, value in changes.items()}
            values.update(revision=held.revision + 1, updated_at=self._db.clock.now_us())
            connection.execute(sa.update(t.schedules).where(t.schedules.c.id == schedule_id).values(**values))
            self._told(connection, SCHEDULE_CHANGED, held.id, held.owner, held.deployment_id)
            return self._get(connection, schedule_id)

    def _get(self, connection: Connection, schedule_id: str) -> ScheduleRow:
        row = connection.execute(sa.select(t.schedules).where(t.schedules.c.id == schedule_id)).first()
        if row is None:
            raise NotFound(
                f"There is no schedule {schedule_id!r}; `headrace schedule ls` lists them.", field="schedule"
            )
        return record_of(ScheduleRow, row)

    def get(self, schedule_id: str) -> ScheduleRow:
        """Return a schedule.

        Raises
        ------
        NotFound
        """
        with self._db.read() as connection:
            return self._get(connection, schedule_id)

    def page(
        self,
        *,
        owner: str | None = None,
        deployment_id: str | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[ScheduleRow]:
        """Return schedules in the order in which they were made; `after` is (created_at, id) of the last one seen."""
        c = t.schedules.c
        query = sa.select(t.schedules)
        if owner is not None:
            query = query.where(c.owner == owner)
        if deployment_id is not None:
            query = query.where(c.deployment_id == deployment_id)
        if after is not None:
            query = query.where(sa.tuple_(c.created_at, c.id) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])))
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(c.created_at, c.id).limit(limit))
            return [record_of(ScheduleRow, row) for row in rows]

    def count(self, *, owner: str, most: int) -> int:
        """Return how many schedules a person has, counted up to `most`."""
        rows = sa.select(t.schedules.c.id).where(t.schedules.c.owner == owner).limit(most)
        with self._db.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(rows.subquery())).scalar() or 0)

    def of_deployments(self, ids: Iterable[str]) -> dict[str, list[ScheduleRow]]:
        """Return the schedules of some deployments, by deployment id."""
        wanted = list(ids)
        found: dict[str, list[ScheduleRow]] = {i: [] for i in wanted}
        c = t.schedules.c
        with self._db.read() as connection:
            for start in range(0, len(wanted), 500):
                query = sa.select(t.schedules).where(c.deployment_id.in_(wanted[start : start + 500]))
                for row in connection.execute(query.order_by(c.created_at, c.id)):
                    found[row.deployment_id].append(record_of(ScheduleRow, row))
        return found

    def delete(self, schedule_id: str) -> None:
        """Delete a schedule and its slots; its runs stay.

        Raises
        ------
        NotFound
        """
        with self._db.write(durable=True) as connection:
            held = self._get(connection, schedule_id)
            connection.execute(sa.delete(t.slots).where(t.slots.c.schedule_id == schedule_id))
            connection.execute(sa.delete(t.schedules).where(t.schedules.c.id == schedule_id))
            self._told(connection, SCHEDULE_DELETED, held.id, held.owner, held.deployment_id)

    def slots(self, schedule_id: str, *, before: int | None = None, limit: int = 50) -> list[Slot]:
        """Return what became of a schedule's slots, newest first; `before` is the `slot_at` of the last one seen."""
        c = t.slots.c
        query = sa.select(t.slots).where(c.schedule_id == schedule_id)
        if before is not None:
            query = query.where(c.slot_at < before)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(c.slot_at.desc()).limit(limit))
            return [record_of(Slot, row) for row in rows]

    def next_due(self) -> int | None:
        """Return when the next schedule fires, µs; None when nothing is scheduled (one look at an index)."""
        with self._db.read() as connection:
            value = connection.execute(sa.select(sa.func.min(t.schedules.c.next_fire_at)).where(_DUE)).scalar()
        return None if value is None else int(value)

    def due(self, now: int, *, limit: int = 500, skip: int = 0) -> list[tuple[ScheduleRow, Deployment | None]]:
        """Return schedules whose time has come, longest due first (but for `skip` of them), with their deployments."""
        query = sa.select(t.schedules).where(_DUE, t.schedules.c.next_fire_at <= now)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(t.schedules.c.next_fire_at).limit(limit).offset(skip)).all()
            schedules = [record_of(ScheduleRow, row) for row in rows]
            found: dict[str, Deployment] = {}
            ids = sorted({s.deployment_id for s in schedules})
            for row in connection.execute(sa.select(t.deployments).where(t.deployments.c.id.in_(ids))):
                found[row.id] = record_of(Deployment, row)
        return [(s, found.get(s.deployment_id)) for s in schedules]

    def upcoming(self, *, owner: str | None = None, limit: int = 20) -> list[ScheduleRow]:
        """Return the schedules that fire next, soonest first."""
        query = sa.select(t.schedules).where(_DUE)
        if owner is not None:
            query = query.where(t.schedules.c.owner == owner)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(t.schedules.c.next_fire_at).limit(limit))
            return [record_of(ScheduleRow, row) for row in rows]

    def quarantine(self, schedule: ScheduleRow, error: str) -> None:
        """Take a schedule that cannot be computed out of the due ones, and keep the reason beside it."""
        with self._db.write(durable=True) as connection:
            changed = connection.execute(
                sa.update(t.schedules)
                .where(t.schedules.c.id == schedule.id, t.schedules.c.revision == schedule.revision)
                .values(error=error, next_slot_at=None, next_fire_at=None, updated_at=self._db.clock.now_us())
            )
            if changed.rowcount:
                self._told(connection, SCHEDULE_CHANGED, schedule.id, schedule.owner, schedule.deployment_id)

    def fire(self, firings: Sequence[Firing]) -> list[Run]:
        """Decide due slots: in one transaction the slots' rows, their runs, and the schedules' next times.

        Parameters
        ----------
        firings : sequence of Firing
            A schedule that another scheduler has moved on meanwhile is left alone.

        Returns
        -------
        list of Run
            The runs that were made.
        """
        return SlotWriter(self._db).fire(firings)

    def backfill(self, schedule: ScheduleRow, due: Sequence[Due]) -> list[Run]:
        """Run slots of the past that have no run: those that were missed, and those before the schedule was made.

        Parameters
        ----------
        schedule : ScheduleRow
        due : sequence of Due
            Ascending, each with the run that it gets.

        Returns
        -------
        list of Run
            The runs that were made; a slot that has a run is left alone.
        """
        return SlotWriter(self._db).backfill(schedule, due)
