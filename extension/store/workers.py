"""Workers and pools in the store."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from headrace.core.batch import Batch
from headrace.core.deployments import Pool, Worker
from headrace.core.events import WORKER_CHANGED
from headrace.store import liveness
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.records import record_of, value_of, values_of
from headrace.store.writing import write_batch

#: Rows of workers that ended are kept so long, seconds.
KEPT_SECONDS = 86_400.0


class Workers:
    """The store's verbs for workers and pools.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def _told(self, connection: Any, worker_id: str, owner: str) -> None:
        event = (self._db.clock.now_us(), WORKER_CHANGED, None, None, worker_id, owner, "{}")
        write_batch(self._db, connection, Batch(events=[event]))

    def register(self, worker: Worker) -> Worker:
        """Store a worker that begins; rows of workers that ended a day ago go."""
        with self._db.write(durable=True) as connection:
            now = self._db.now_us(connection)
            old = now - int(KEPT_SECONDS * 1_000_000)
            connection.execute(sa.delete(t.workers).where(t.workers.c.heartbeat_at < old))
            values = {**values_of(worker), "started_at": now, "heartbeat_at": now}
            connection.execute(sa.insert(t.workers).values(**values))
            self._told(connection, worker.id, worker.owner)
            row = connection.execute(sa.select(t.workers).where(t.workers.c.id == worker.id)).one()
        return record_of(Worker, row)

    def heartbeat(self, worker_id: str) -> None:
        """Say that a worker lives."""
        with self._db.write() as connection:
            connection.execute(
                sa.update(t.workers).where(t.workers.c.id == worker_id).values(heartbeat_at=self._db.now_us(connection))
            )

    def set_state(self, worker_id: str, state: str) -> None:
        """Say that a worker drains or has ended."""
        with self._db.write() as connection:
            changed = connection.execute(
                sa.update(t.workers)
                .where(t.workers.c.id == worker_id, t.workers.c.state != state)
                .values(state=state, heartbeat_at=self._db.now_us(connection))
            )
            if changed.rowcount:
                self._told(connection, worker_id, "")

    def all(self) -> list[Worker]:
        """Return every worker that has not ended by its own word, newest first."""
        query = sa.select(t.workers).where(t.workers.c.state != "ended").order_by(t.workers.c.started_at.desc())
        with self._db.read() as connection:
            return [record_of(Worker, row) for row in connection.execute(query)]

    def is_alive(self, worker: Worker) -> bool:
        """Return whether a worker lives: by its owner file on this host, else by its heartbeat."""
        if worker.state == "ended":
            return False
        alive = liveness.is_alive(worker.owner_id)
        if alive is not None:
            return alive
        with self._db.read() as connection:
            now = self._db.now_us(connection)
        return now - worker.heartbeat_at < liveness.REMOTE_DEATH_SECONDS * 1_000_000

    def alive(self, *, pool: str | None = None, owner: str | None = None) -> list[Worker]:
        """Return the living workers (of a pool, of a person) that take new runs."""
        return [
            w
            for w in self.all()
            if w.state == "running"
            and (pool is None or w.pool == pool)
            and (owner is None or w.owner == owner)
            and self.is_alive(w)
        ]

    def running_counts(self) -> dict[str, int]:
        """Return how many runs each lease owner holds."""
        c = t.runs.c
        query = (
            sa.select(c.lease_owner, sa.func.count())
            .where(
                c.state_type.in_(("PENDING", "RUNNING", "PAUSED", "CANCELLING")),
                c.parent_id.is_(None),
                c.lease_owner.is_not(None),
            )
            .group_by(c.lease_owner)
        )
        with self._db.read() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query)}

    def pools(self) -> list[Pool]:
        """Return the pools that were given settings, by name."""
        with self._db.read() as connection:
            return [record_of(Pool, row) for row in connection.execute(sa.select(t.pools).order_by(t.pools.c.name))]

    def set_pool(self, name: str, **changes: Any) -> Pool:
        """Set a pool's fields (`run_limit`, `paused`, `type`, `details`, `owner`); it is made when it is not there."""
        with self._db.write(durable=True) as connection:
            held = connection.execute(sa.select(t.pools).where(t.pools.c.name == name)).first()
            values = {key: value_of(key, value) for key, value in changes.items()}
            if held is None:
                connection.execute(sa.insert(t.pools).values(**{**values_of(Pool(name=name)), **values}))
            elif values:
                connection.execute(sa.update(t.pools).where(t.pools.c.name == name).values(**values))
            self._told(connection, name, "")
            return record_of(Pool, connection.execute(sa.select(t.pools).where(t.pools.c.name == name)).one())
