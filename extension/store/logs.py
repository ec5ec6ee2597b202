"""Log lines and cell outputs: appended in batches, read by ranges."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.runs import LogLine
from headrace.store import schema as t
from headrace.store.database import Database

#: From this offset on it pays to count the lines, to know which end is nearer.
FAR = 5000
#: So many logs' counts are remembered.
COUNTED = 1000


class Logs:
    """The store's verbs for logs and outputs.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        #: Lines counted so far by (run, tree): (how many, up to which sequence number).
        self._counted: dict[tuple[str, bool], tuple[int, int]] = {}

    def _where(self, run_id: str, *, tree: bool, level: int, search: str) -> list[Any]:
        c = t.logs.c
        found = [(c.root_id if tree else c.run_id) == run_id]
        if level:
            found.append(c.level >= level)
        if search:
            found.append(c.message.icontains(search, autoescape=True))
        return found

    def count(self, run_id: str, *, tree: bool = True, level: int = 0, search: str = "") -> int:
        """Return how many lines a run (or the tree below a root run) has."""
        with self._db.read() as connection:
            return self._count(connection, run_id, tree=tree, level=level, search=search)

    def _count(self, connection: Connection, run_id: str, *, tree: bool, level: int, search: str) -> int:
        """Count lines; of a whole log only those that came since it was counted last."""
        where = self._where(run_id, tree=tree, level=level, search=search)
        # PostgreSQL gives sequence numbers before the commit: one may come to light after a later one.
        if level or search or self._db.dialect != "sqlite":
            query = sa.select(sa.func.count()).select_from(t.logs).where(*where)
            return int(connection.execute(query).scalar() or 0)
        known, seq = self._counted.get((run_id, tree), (0, 0))
        since = sa.select(sa.func.count(), sa.func.max(t.logs.c.seq)).where(*where, t.logs.c.seq > seq)
        more, newest = connection.execute(since).one()
        if len(self._counted) > COUNTED:
            self._counted.clear()
        self._counted[run_id, tree] = (known + int(more), int(newest or seq))
        return known + int(more)

    def lines(
        self, run_id: str, *, offset: int = 0, limit: int = 200, tree: bool = True, level: int = 0, search: str = ""
    ) -> list[LogLine]:
        """Return a range of lines.

        Parameters
        ----------
        run_id : str
            A run; a root run with `tree`.
        offset, limit : int
            Which lines, counted from 0.
        tree : bool, default True
            All lines of the tree rather than this run's own.
        level : int, default 0
            Only lines of at least this level.
        search : str, default ""
            Only lines that contain it, whatever the case.
        """
        query = sa.select(t.logs).where(*self._where(run_id, tree=tree, level=level, search=search))
        with self._db.read() as connection:
            if offset > FAR:
                # The end of a long log is nearer from behind: an offset is walked line by line.
                total = self._count(connection, run_id, tree=tree, level=level, search=search)
                wanted = max(0, min(limit, total - offset))
                if offset > total // 2:
                    last = query.order_by(t.logs.c.seq.desc()).offset(total - offset - wanted).limit(wanted)
                    return [LogLine(**row._mapping) for row in connection.execute(last)][::-1] if wanted else []
            rows = connection.execute(query.order_by(t.logs.c.seq).offset(offset).limit(limit))
            return [LogLine(**row._mapping) for row in rows]

    def stream(self, run_id: str, *, tree: bool = True, page: int = 5000) -> Iterator[LogLine]:
        """Yield every line, a page at a time, without holding them all."""
        seq = 0
        while True:
            query = sa.select(t.logs).where(*self._where(run_id, tree=tree, level=0, search=""), t.logs.c.seq > seq)
            with self._db.read() as connection:
                rows = connection.execute(query.order_by(t.logs.c.seq).limit(page)).all()
            if not rows:
                return
            yield from (LogLine(**row._mapping) for row in rows)
            seq = rows[-1].seq

    def last_seq(self) -> int:
        """Return the newest line's sequence number, 0 when there is none."""
        with self._db.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(t.logs.c.seq))).scalar() or 0)

    def added(self, seq: int) -> tuple[int, dict[str, int]]:
        """Return the newest sequence number, and how many lines each tree got after `seq`."""
        newest = self.last_seq()
        if newest <= seq:
            return newest, {}
        query = (
            sa.select(t.logs.c.root_id, sa.func.count())
            .where(t.logs.c.seq > seq, t.logs.c.seq <= newest)
            .group_by(t.logs.c.root_id)
        )
        with self._db.read() as connection:
            return newest, {row[0]: int(row[1]) for row in connection.execute(query)}

    def outputs_since(self, root_ids: Sequence[str], at: int) -> list[tuple[str, str, int, int]]:
        """Return (root_id, run_id, position, at) of the outputs of some trees that were made at or after `at`, µs."""
        c = t.outputs.c
        query = sa.select(c.root_id, c.run_id, c.position, c.at).where(c.root_id.in_(list(root_ids)), c.at >= at)
        with self._db.read() as connection:
            return [tuple(row) for row in connection.execute(query.limit(5000))]

    def outputs(self, run_id: str) -> list[dict[str, Any]]:
        """Return a cell run's outputs (nbformat), in order."""
        query = sa.select(t.outputs.c.output).where(t.outputs.c.run_id == run_id).order_by(t.outputs.c.position)
        with self._db.read() as connection:
            return [json.loads(row.output) for row in connection.execute(query)]

    def outputs_of_tree(self, root_id: str) -> dict[str, list[dict[str, Any]]]:
        """Return the outputs of every run of a tree, by run id."""
        query = (
            sa.select(t.outputs)
            .where(t.outputs.c.root_id == root_id)
            .order_by(t.outputs.c.run_id, t.outputs.c.position)
        )
        found: dict[str, list[dict[str, Any]]] = {}
        with self._db.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.run_id, []).append(json.loads(row.output))
        return found
