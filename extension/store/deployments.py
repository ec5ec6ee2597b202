"""Deployments in the store: make, change (a compare-and-set by revision), find, list, delete; snapshots."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.batch import Batch
from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.errors import Conflict, NotFound
from headrace.core.events import DEPLOYMENT_CHANGED, DEPLOYMENT_DELETED, SCHEDULE_DELETED
from headrace.core.runs import Run
from headrace.core.states import TERMINAL
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.records import record_of, value_of, values_of
from headrace.store.rows import dumps, row_run
from headrace.store.schedules import Schedules
from headrace.store.writing import write_batch

#: Columns that a change may set.
EDITABLE = frozenset(
    {
        *("name", "notebook_path", "entrypoint", "kind", "source_mode", "snapshot_id", "interpreter", "kernel_name"),
        *("kernel_spec", "parameters", "parameter_schema", "description", "tags", "pool", "priority", "retries"),
        *("retry_delay_seconds", "timeout_seconds", "cell_timeout_seconds", "concurrency_limit", "overlap", "catch_up"),
        *("catch_up_limit", "grace_seconds", "output_path", "cwd", "env_file", "paused", "retention", "error"),
        "details",
    }
)


def deployment_event(database: Database, kind: str, deployment_id: str, owner: str) -> Batch:
    """Return the batch that tells that a deployment changed."""
    return Batch(events=[(database.clock.now_us(), kind, None, None, deployment_id, owner, "{}")])


class Deployments:
    """The store's verbs for deployments.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def create(self, deployment: Deployment, schedules: Sequence[ScheduleRow] = ()) -> Deployment:
        """Store a new deployment with its schedules, all or nothing.

        Raises
        ------
        Conflict
            The owner has one of this name.
        """
        with self._db.write(durable=True) as connection:
            made = self.create_in(connection, deployment)
            for schedule in schedules:
                Schedules(self._db).create_in(connection, schedule)
            return made

    def create_in(self, connection: Connection, deployment: Deployment) -> Deployment:
        """Store a new deployment in the caller's transaction."""
        now = self._db.clock.now_us()
        held = self._named(connection, deployment.name, deployment.owner)
        if held is not None:
            raise Conflict(f"There is a deployment named {deployment.name!r} already.", field="name")
        values = {**values_of(deployment), "created_at": now, "updated_at": now}
        connection.execute(sa.insert(t.deployments).values(**values))
        write_batch(
            self._db, connection, deployment_event(self._db, DEPLOYMENT_CHANGED, deployment.id, deployment.owner)
        )
        return self._get(connection, deployment.id)

    def update(self, deployment_id: str, *, revision: int | None = None, **changes: Any) -> Deployment:
        """Change fields of a deployment.

        Parameters
        ----------
        deployment_id : str
        revision : int or None, default None
            The revision that the caller saw; None changes whatever is there.
        **changes
            Fields of EDITABLE.

        Raises
        ------
        NotFound
        Conflict
            It was changed meanwhile, or the new name is taken.
        """
        unknown = set(changes) - EDITABLE
        if unknown:
            raise TypeError(f"deployments have no editable field {sorted(unknown)}")
        with self._db.write(durable=True) as connection:
            held = self._get(connection, deployment_id)
            if revision is not None and revision != held.revision:
                raise Conflict(
                    f"Deployment {held.name!r} was changed meanwhile (revision {held.revision}).", field="revision"
                )
            if "name" in changes and changes["name"] != held.name:
                other = self._named(connection, changes["name"], held.owner)
                if other is not None:
                    raise Conflict(f"There is a deployment named {changes['name']!r} already.", field="name")
            values = {name: value_of(name, value) for name, value in changes.items()}
            values.update(revision=held.revision + 1, updated_at=self._db.clock.now_us())
            connection.execute(
                sa.update(t.deployments)
                .where(t.deployments.c.id == deployment_id, t.deployments.c.revision == held.revision)
                .values(**values)
            )
            write_batch(self._db, connection, deployment_event(self._db, DEPLOYMENT_CHANGED, held.id, held.owner))
            return self._get(connection, deployment_id)

    def set_error(self, deployment_id: str, error: str | None) -> None:
        """Say why a deployment cannot run at the moment, or that it can again."""
        with self._db.write() as connection:
            changed = connection.execute(
                sa.update(t.deployments)
                .where(t.deployments.c.id == deployment_id, t.deployments.c.error.is_distinct_from(error))
                .values(error=error, updated_at=self._db.clock.now_us())
            )
            if changed.rowcount:
                write_batch(self._db, connection, deployment_event(self._db, DEPLOYMENT_CHANGED, deployment_id, ""))

    def _get(self, connection: Connection, deployment_id: str) -> Deployment:
        row = connection.execute(sa.select(t.deployments).where(t.deployments.c.id == deployment_id)).first()
        if row is None:
            raise NotFound(
                f"There is no deployment {deployment_id!r}; `headrace deployment ls` lists them.", field="deployment"
            )
        return record_of(Deployment, row)

    def _named(self, connection: Connection, name: str, owner: str) -> Deployment | None:
        c = t.deployments.c
        row = connection.execute(sa.select(t.deployments).where(c.owner == owner, c.name == name)).first()
        return None if row is None else record_of(Deployment, row)

    def get(self, deployment_id: str) -> Deployment:
        """Return a deployment.

        Raises
        ------
        NotFound
        """
        with self._db.read() as connection:
            return self._get(connection, deployment_id)

    def named(self, name: str, owner: str) -> Deployment | None:
        """Return an owner's deployment of this name, None if there is none."""
        with self._db.read() as connection:
            return self._named(connection, name, owner)

    def resolve(self, text: str, owner: str) -> Deployment:
        """Return the deployment with this name (of this owner) or id.

        Raises
        ------
        NotFound
        """
        found = self.named(text, owner) or self.get(text)
        if found.owner != owner:
            raise NotFound(f"There is no deployment {text!r}; `headrace deployment ls` lists them.", field="deployment")
        return found

    def of_notebook(self, path: str, owner: str) -> Deployment | None:
        """Return an owner's oldest deployment of a notebook, None if there is none."""
        c = t.deployments.c
        query = (
            sa.select(t.deployments).where(c.owner == owner, c.notebook_path == path).order_by(c.created_at).limit(1)
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else record_of(Deployment, row)

    def all_of(self, owner: str) -> list[Deployment]:
        """Return every deployment of an owner, by name."""
        found: list[Deployment] = []
        while True:
            page = self.page(owner=owner, after=(found[-1].name, found[-1].id) if found else None, limit=200)
            found += page
            if len(page) < 200:
                return found

    def naming(self, path: str, owner: str) -> list[Deployment]:
        """Return an owner's deployments that name a file or a folder, or anything in that folder."""
        c = t.deployments.c
        columns = (c.notebook_path, c.entrypoint, c.cwd, c.output_path, c.env_file)
        named = sa.or_(*(column.startswith(path, autoescape=True) for column in columns))
        with self._db.read() as connection:
            rows = connection.execute(sa.select(t.deployments).where(c.owner == owner, named)).all()
        return [record_of(Deployment, row) for row in rows]

    def page(
        self, *, owner: str | None = None, text: str = "", after: tuple[str, str] | None = None, limit: int = 50
    ) -> list[Deployment]:
        """Return deployments by name; `after` is (name, id) of the last one seen."""
        c = t.deployments.c
        query = sa.select(t.deployments)
        if owner is not None:
            query = query.where(c.owner == owner)
        if text:
            query = query.where(
                sa.or_(c.name.icontains(text, autoescape=True), c.notebook_path.icontains(text, autoescape=True))
            )
        if after is not None:
            query = query.where(sa.tuple_(c.name, c.id) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])))
        with self._db.read() as connection:
            return [record_of(Deployment, row) for row in connection.execute(query.order_by(c.name, c.id).limit(limit))]

    def many(self, ids: Iterable[str]) -> dict[str, Deployment]:
        """Return deployments by id; unknown ids are left out."""
        wanted = list(ids)
        found: dict[str, Deployment] = {}
        with self._db.read() as connection:
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                for row in connection.execute(sa.select(t.deployments).where(t.deployments.c.id.in_(part))):
                    found[row.id] = record_of(Deployment, row)
        return found

    def last_runs(self, deployment_id: str, *, limit: int = 10) -> list[Run]:
        """Return a deployment's newest root runs, newest first."""
        c = t.runs.c
        query = sa.select(t.runs).where(c.deployment_id == deployment_id, c.parent_id.is_(None))
        with self._db.read() as connection:
            return [
                row_run(row)
                for row in connection.execute(query.order_by(c.created_at.desc(), c.id.desc()).limit(limit))
            ]

    def with_retention(self) -> list[Deployment]:
        """Return the deployments that say how much of their history is kept."""
        query = sa.select(t.deployments).where(t.deployments.c.retention.is_not(None))
        with self._db.read() as connection:
            return [record_of(Deployment, row) for row in connection.execute(query)]

    def runs_beyond(self, deployment_id: str, *, keep: int | None, before: int | None, limit: int) -> list[str]:
        """Return the ids of a deployment's finished root runs beyond the newest `keep`, or made before an instant."""
        c = t.runs.c
        final = tuple(state.value for state in TERMINAL)
        query = (
            sa.select(c.id, c.created_at)
            .where(c.deployment_id == deployment_id, c.parent_id.is_(None), c.state_type.in_(final))
            .order_by(c.created_at.desc(), c.id.desc())
        )
        found: list[str] = []
        with self._db.read() as connection:
            if keep is not None:
                found += [row.id for row in connection.execute(query.offset(keep).limit(limit))]
            if before is not None:
                found += [row.id for row in connection.execute(query.where(c.created_at < before).limit(limit))]
        return list(dict.fromkeys(found))[:limit]

    def below(self, root_ids: Sequence[str]) -> dict[str, list[Run]]:
        """Return the runs one level below some root runs, by root id, in the order in which they were made."""
        c = t.runs.c
        found: dict[str, list[Run]] = {i: [] for i in root_ids}
        query = sa.select(t.runs).where(c.root_id.in_(list(root_ids)), c.parent_id.in_(list(root_ids)))
        with self._db.read() as connection:
            for row in connection.execute(query.order_by(c.id)):
                found[row.root_id].append(row_run(row))
        return found

    def delete(self, deployment_id: str) -> None:
        """Delete a deployment with its schedules; its runs stay.

        Raises
        ------
        NotFound
        """
        with self._db.write(durable=True) as connection:
            held = self._get(connection, deployment_id)
            ids = [
                r.id
                for r in connection.execute(
                    sa.select(t.schedules.c.id).where(t.schedules.c.deployment_id == deployment_id)
                )
            ]
            connection.execute(sa.delete(t.slots).where(t.slots.c.schedule_id.in_(ids)))
            connection.execute(sa.delete(t.schedules).where(t.schedules.c.deployment_id == deployment_id))
            connection.execute(sa.delete(t.deployments).where(t.deployments.c.id == deployment_id))
            now = self._db.clock.now_us()
            batch = deployment_event(self._db, DEPLOYMENT_DELETED, deployment_id, held.owner)
            batch.events += [(now, SCHEDULE_DELETED, None, None, i, held.owner, "{}") for i in ids]
            write_batch(self._db, connection, batch)

    def keep_snapshot(self, kind: str, content: bytes, details: Mapping[str, Any] | None = None) -> str:
        """Keep content by its hash and return its id ("sha256:…"); the same content is kept once."""
        key = "sha256:" + hashlib.sha256(content).hexdigest()
        with self._db.write(durable=True) as connection:
            if connection.execute(sa.select(t.snapshots.c.id).where(t.snapshots.c.id == key)).first() is None:
                connection.execute(
                    sa.insert(t.snapshots).values(
                        id=key,
                        kind=kind,
                        content=content,
                        details=dumps(dict(details or {})),
                        created_at=self._db.clock.now_us(),
                    )
                )
        return key

    def snapshot(self, snapshot_id: str) -> bytes:
        """Return a snapshot's content.

        Raises
        ------
        NotFound
        """
        with self._db.read() as connection:
            row = connection.execute(sa.select(t.snapshots.c.content).where(t.snapshots.c.id == snapshot_id)).first()
        if row is None:
            raise NotFound(f"The snapshot {snapshot_id!r} is not in the store any more.", field="snapshot_id")
        return bytes(row.content)
