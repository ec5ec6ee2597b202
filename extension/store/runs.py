"""Runs in the store: create, advance (a compare-and-set), find, list, delete; the graph of a tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.batch import Batch, Change
from headrace.core.errors import Conflict, InvalidTransition, NotFound, UsageError
from headrace.core.events import RUN_CANCEL_REQUESTED, RUN_DELETED, RUN_STATE, Event
from headrace.core.runs import Edge, EdgeKind, Run, RunFilter
from headrace.core.states import TERMINAL, StateType, can_move
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.rows import row_event, row_run, run_row, run_values
from headrace.store.run_lists import read_page
from headrace.store.writing import write_batch

_TERMINAL = tuple(s.value for s in TERMINAL)


class Runs:
    """The store's verbs for runs.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def create(self, run: Run, *, durable: bool = True) -> Run:
        """Store a new run with its first state.

        Raises
        ------
        Conflict
            A run with this idempotency key is there already; its id is in the message's end.
        """
        with self._db.write(durable=durable) as connection:
            self.create_in(connection, run)
        return run

    def create_in(self, connection: Connection, run: Run) -> None:
        """Store a new run in the caller's transaction."""
        if run.idempotency_key is not None:
            held = connection.execute(
                sa.select(t.runs.c.id).where(
                    t.runs.c.owner == run.owner, t.runs.c.idempotency_key == run.idempotency_key
                )
            ).scalar()
            if held is not None:
                raise Conflict(f"There is a run with the idempotency key {run.idempotency_key!r} already: {held}")
        birth = Change(
            run.id, run.root_id, run.attempt, run.state_type.value, run.state_name, run.state_message, run.state_at
        )
        write_batch(self._db, connection, Batch(runs=[run_row(run_values(run))], births=[birth]))

    def find(self, run_id: str) -> Run | None:
        """Return a run, None if there is none."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(t.runs).where(t.runs.c.id == run_id)).first()
        return None if row is None else row_run(row)

    def get(self, run_id: str) -> Run:
        """Return a run.

        Raises
        ------
        NotFound
        """
        run = self.find(run_id)
        if run is None:
            raise NotFound(f"There is no run {run_id!r}; `headrace flow-run ls` lists them.", field="run_id")
        return run

    def of_key(self, owner: str, key: str) -> Run | None:
        """Return an owner's run with an idempotency key, None if there is none."""
        query = sa.select(t.runs).where(t.runs.c.owner == owner, t.runs.c.idempotency_key == key)
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else row_run(row)

    def many(self, run_ids: Sequence[str]) -> list[Run]:
        """Return the runs with these ids, in the order in which they were made; unknown ids are left out."""
        found: list[Run] = []
        with self._db.read() as connection:
            for start in range(0, len(run_ids), 500):
                part = run_ids[start : start + 500]
                found += map(row_run, connection.execute(sa.select(t.runs).where(t.runs.c.id.in_(part))))
        return sorted(found, key=lambda run: run.id)

    def latest_of_cells(
        self, *, document_id: str | None, notebook_path: str | None, owner: str | None = None
    ) -> dict[str, Run]:
        """Return the newest run of each cell of a notebook, by cell id.

        Parameters
        ----------
        document_id : str or None
            The open notebook's: cells that were run by hand.
        notebook_path : str or None
            The file's: the cells of its newest notebook run.
        owner : str or None, default None
        """
        c = t.runs.c
        found: dict[str, Run] = {}
        with self._db.read() as connection:
            queries = []
            if document_id is not None:
                newest = (
                    sa.select(c.cell_id, sa.func.max(c.created_at).label("at"))
                    .where(c.document_id == document_id, c.cell_id.is_not(None))
                    .group_by(c.cell_id)
                    .subquery()
                )
                queries.append(
                    sa.select(t.runs)
                    .join(newest, sa.and_(c.cell_id == newest.c.cell_id, c.created_at == newest.c.at))
                    .where(c.document_id == document_id)
                )
            if notebook_path is not None:
                last = sa.select(c.id).where(c.definition == notebook_path, c.parent_id.is_(None))
                if owner is not None:
                    last = last.where(c.owner == owner)
                root = connection.execute(last.order_by(c.created_at.desc()).limit(1)).scalar()
                if root is not None:
                    queries.append(sa.select(t.runs).where(c.root_id == root, c.cell_id.is_not(None)))
            for query in queries:
                for run in map(row_run, connection.execute(query)):
                    held = found.get(run.cell_id or "")
                    if held is None or (held.created_at, held.id) < (run.created_at, run.id):
                        found[run.cell_id or ""] = run
        return found if owner is None else {cell: run for cell, run in found.items() if run.owner == owner}

    def by_prefix(self, text: str) -> Run:
        """Return the one run whose id begins with `text`, or whose name is `text` (the newest).

        Raises
        ------
        NotFound
        UsageError
            More than one id begins so.
        """
        with self._db.read() as connection:
            query = sa.select(t.runs).where(t.runs.c.id.startswith(text, autoescape=True)).limit(2)
            rows = connection.execute(query).all()
            if len(rows) > 1:
                raise UsageError(f"More than one run id begins with {text!r}; give more of it.", field="run_id")
            if not rows:
                named = sa.select(t.runs).where(t.runs.c.name == text).order_by(t.runs.c.created_at.desc()).limit(1)
                rows = connection.execute(named).all()
        if not rows:
            raise NotFound(f"There is no run {text!r}; `headrace flow-run ls` lists them.", field="run_id")
        return row_run(rows[0])

    def advance(
        self,
        run_id: str,
        state_type: StateType,
        state_name: str,
        *,
        attempt: int,
        message: str = "",
        at: int | None = None,
        expected: Iterable[StateType] | None = None,
        patch: dict[str, Any] | None = None,
        durable: bool = False,
    ) -> Run:
        """Move a run on, if it still is where the caller thinks it is.

        Parameters
        ----------
        run_id : str
        state_type, state_name : StateType, str
        attempt : int
            The attempt this belongs to; an older one than the stored is refused.
        message : str, default ""
        at : int or None, default now
            µs.
        expected : iterable of StateType or None, default None
            States the run must be in.
        patch : dict or None
            Further columns.
        durable : bool, default False
            Survive a power cut.

        Returns
        -------
        Run
            As it is now.

        Raises
        ------
        NotFound, InvalidTransition
        """
        with self._db.write(durable=durable) as connection:
            lock = sa.select(t.runs).where(t.runs.c.id == run_id)
            row = connection.execute(lock.with_for_update() if self._db.dialect != "sqlite" else lock).first()
            if row is None:
                raise NotFound(f"There is no run {run_id!r}.", field="run_id")
            run = row_run(row)
            allowed = can_move(run.state_type, state_type, state_name) and run.attempt <= attempt
            if not allowed or (expected is not None and run.state_type not in set(expected)):
                raise InvalidTransition(
                    f"Run {run.name or run_id} is {run.state_name} (attempt {run.attempt}); it cannot become {state_name} (attempt {attempt})."
                )
            change = Change(
                run_id,
                run.root_id,
                attempt,
                state_type.value,
                state_name,
                message,
                at or self._db.clock.now_us(),
                patch or {},
            )
            if write_batch(self._db, connection, Batch(changes=[change])):
                raise InvalidTransition(f"Run {run.name or run_id} was changed by another process meanwhile.")
            return row_run(connection.execute(sa.select(t.runs).where(t.runs.c.id == run_id)).one())

    def patch(self, run_id: str, **columns: Any) -> None:
        """Set columns that are no state: heartbeat, lease, details …"""
        run = self.get(run_id)
        change = Change(
            run_id,
            run.root_id,
            run.attempt,
            run.state_type.value,
            run.state_name,
            "",
            self._db.clock.now_us(),
            columns,
            "run.updated",
        )
        with self._db.write() as connection:
            write_batch(self._db, connection, Batch(changes=[change]))

    def request_cancel(self, run_id: str, *, reason: str = "cancelled by the user") -> Run:
        """Ask that a run be cancelled: what nobody runs yet is CANCELLED at once, else CANCELLING until its owner has stopped it.

        Raises
        ------
        NotFound
        Conflict
            The run has ended.
        """
        run = self.get(run_id)
        if run.is_final:
            raise Conflict(f"Run {run.name} has ended ({run.state_name}); there is nothing to cancel.")
        waiting = run.state_type is StateType.SCHEDULED and run.owner_id is None
        kind, name = (StateType.CANCELLED, "Cancelled") if waiting else (StateType.CANCELLING, "Cancelling")
        now = self._db.clock.now_us()
        with self._db.write(durable=True) as connection:
            change = Change(
                run_id, run.root_id, run.attempt, kind.value, name, reason, now, {"ended_at": now} if waiting else {}
            )
            refused = write_batch(
                self._db,
                connection,
                Batch(changes=[change], events=[(now, RUN_CANCEL_REQUESTED, run_id, run.root_id, None, None, "{}")]),
            )
        if refused:
            raise Conflict(f"Run {run.name} ended meanwhile; there is nothing to cancel.")
        return self.get(run_id)

    def page(
        self,
        where: RunFilter | None = None,
        *,
        sort: str = "-created_at",
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Run], str | None]:
        """Return a page of runs.

        Parameters
        ----------
        where : RunFilter or None
        sort : str, default "-created_at"
            One of SORTS, `-` in front for descending.
        limit : int, default 50
        cursor : str or None
            What the page before returned.

        Returns
        -------
        (list of Run, str or None)
            The page, and the next cursor. A page may be short, even empty, and have a cursor: it looked at so many
            runs, and the next page looks further on (`first` does so by itself). Parts of runs are in the order of
            their ids where the order is that of time.

        Raises
        ------
        UsageError
            Unknown sort key or a cursor that is not ours.
        """
        with self._db.read() as connection:
            rows, following = read_page(connection, where or RunFilter(), sort=sort, limit=limit, cursor=cursor)
        return [row_run(row) for row in rows], following

    def first(self, where: RunFilter, *, limit: int, sort: str = "-created_at") -> list[Run]:
        """Return the first runs of a list, however many pages it takes to find them."""
        found, cursor = self.page(where, sort=sort, limit=limit)
        while cursor is not None and len(found) < limit:
            more, cursor = self.page(where, sort=sort, limit=limit - len(found), cursor=cursor)
            found += more
        return found

    def tree(self, root_id: str, *, limit: int = 20_000) -> list[Run]:
        """Return every run of a tree, in the order in which they were made."""
        with self._db.read() as connection:
            query = sa.select(t.runs).where(t.runs.c.root_id == root_id).order_by(t.runs.c.id).limit(limit)
            return [row_run(row) for row in connection.execute(query)]

    def edges(self, root_id: str) -> list[Edge]:
        """Return every edge between runs of a tree."""
        with self._db.read() as connection:
            query = (
                sa.select(t.edges)
                .join(t.runs, t.runs.c.id == t.edges.c.run_id)
                .where(t.runs.c.root_id == root_id)
                .order_by(t.edges.c.run_id, t.edges.c.upstream_id)
            )
            return [
                Edge(run_id=r.run_id, upstream_id=r.upstream_id, kind=EdgeKind(r.kind), name=r.name)
                for r in connection.execute(query)
            ]

    def history(self, run_id: str) -> Sequence[Event]:
        """Return a run's state changes, oldest first, of every attempt."""
        with self._db.read() as connection:
            query = sa.select(t.events).where(t.events.c.run_id == run_id, t.events.c.kind == RUN_STATE)
            return [row_event(row) for row in connection.execute(query.order_by(t.events.c.seq))]

    def counts(self, *, since: int, owner: str | None = None) -> dict[str, int]:
        """Return how many root runs are in each state: unfinished ones, and those created at or after `since` (µs)."""
        table = t.runs.c
        fresh = sa.or_(table.state_type.not_in(_TERMINAL), table.created_at >= since)
        query = sa.select(table.state_type, sa.func.count()).where(table.parent_id.is_(None), fresh)
        if owner is not None:
            query = query.where(table.owner == owner)
        with self._db.read() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query.group_by(table.state_type))}

    def alive(self) -> list[Run]:
        """Return every run that some process should be moving on."""
        states = (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)
        query = sa.select(t.runs).where(
            t.runs.c.state_type.in_([s.value for s in states]), t.runs.c.owner_id.is_not(None)
        )
        with self._db.read() as connection:
            return [row_run(row) for row in connection.execute(query)]

    def delete(self, run_id: str) -> int:
        """Delete a finished run with everything below it.

        Returns
        -------
        int
            How many runs were deleted.

        Raises
        ------
        NotFound
        Conflict
            The run has not ended.
        """
        run = self.get(run_id)
        if not run.is_final:
            raise Conflict(f"Run {run.name} is {run.state_name}; cancel it before you delete it.")
        ids = [run_id]
        with self._db.write(durable=True) as connection:
            level = [run_id]
            while level:
                found = connection.execute(
                    sa.select(t.runs.c.id).where(t.runs.c.root_id == run.root_id, t.runs.c.parent_id.in_(level))
                )
                level = [row.id for row in found]
                ids += level
            for start in range(0, len(ids), 500):
                part = ids[start : start + 500]
                for table, column in (
                    (t.edges, t.edges.c.run_id),
                    (t.logs, t.logs.c.run_id),
                    (t.outputs, t.outputs.c.run_id),
                    (t.artifacts, t.artifacts.c.run_id),
                    (t.run_inputs, t.run_inputs.c.run_id),
                    (t.events, t.events.c.run_id),
                    (t.runs, t.runs.c.id),
                ):
                    connection.execute(sa.delete(table).where(column.in_(part)))
            now = self._db.clock.now_us()
            write_batch(
                self._db, connection, Batch(events=[(now, RUN_DELETED, run_id, run.root_id, run_id, run.owner, "{}")])
            )
        return len(ids)
