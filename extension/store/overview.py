"""What the home page asks for: how much is running, late, failed; the last days."""

from __future__ import annotations

import json
from collections import defaultdict
from statistics import median
from typing import Any

import sqlalchemy as sa

from headrace.core.clock import instant
from headrace.core.runs import Run
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.rows import row_run

DAY = 86_400_000_000
#: A due run that has not begun after so long is late, seconds (Prefect's figure; reference/prefect.md, 1.8).
LATE_SECONDS = 15.0
#: So many runs of one day are looked at for the median at most.
SAMPLE = 5000


class Overview:
    """The store's verbs for summaries.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def _late(self, now: int, owner: str | None) -> list[Any]:
        c = t.runs.c
        late = [
            c.state_type == "SCHEDULED",
            c.parent_id.is_(None),
            c.owner_id.is_(None),
            c.scheduled_at < now - int(LATE_SECONDS * 1_000_000),
        ]
        return [*late, c.owner == owner] if owner is not None else late

    def counts(self, *, owner: str | None = None) -> dict[str, int]:
        """Return `{running, scheduled, failed_24h, crashed_24h, late}` of root runs."""
        c, now = t.runs.c, self._db.clock.now_us()
        roots = [c.parent_id.is_(None)] + ([c.owner == owner] if owner is not None else [])
        count = sa.func.count()
        on = sa.select(c.state_type, count).where(
            c.state_type.in_(("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")), *roots
        )
        ended = sa.select(c.state_type, count).where(
            c.state_type.in_(("FAILED", "CRASHED")), c.created_at >= now - 8 * DAY, c.ended_at >= now - DAY, *roots
        )
        with self._db.read() as connection:
            by_state = {row[0]: int(row[1]) for row in connection.execute(on.group_by(c.state_type))}
            bad = {row[0]: int(row[1]) for row in connection.execute(ended.group_by(c.state_type))}
            late = connection.execute(sa.select(count).where(*self._late(now, owner))).scalar()
        waiting = by_state.pop("SCHEDULED", 0)
        return {
            "running": sum(by_state.values()),
            "scheduled": waiting,
            "failed_24h": bad.get("FAILED", 0),
            "crashed_24h": bad.get("CRASHED", 0),
            "late": int(late or 0),
        }

    def waiting(self, *, owner: str, most: int) -> int:
        """Return how many root runs of a person wait for a worker, counted up to `most`."""
        c = t.runs.c
        rows = sa.select(c.id).where(c.state_type == "SCHEDULED", c.parent_id.is_(None), c.owner == owner).limit(most)
        with self._db.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(rows.subquery())).scalar() or 0)

    def late(self, *, owner: str | None = None, limit: int = 10) -> list[Run]:
        """Return root runs that should have begun, longest waiting first."""
        query = sa.select(t.runs).where(*self._late(self._db.clock.now_us(), owner))
        with self._db.read() as connection:
            return [row_run(row) for row in connection.execute(query.order_by(t.runs.c.scheduled_at).limit(limit))]

    def artifacts(
        self, *, root_id: str | None, key: str | None = None, owner: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return artifacts `{id, run_id, key, kind, title, created_at (µs), data}`, newest first."""
        c = t.artifacts.c
        query = sa.select(c.id, c.run_id, c.key, c.kind, c.title, c.created_at, c.data)
        for column, value in ((c.root_id, root_id), (c.key, key), (c.owner, owner)):
            if value is not None:
                query = query.where(column == value)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(c.created_at.desc(), c.id.desc()).limit(limit))
            return [{**row._mapping, "data": json.loads(row.data or "{}")} for row in rows]

    def artifact(self, artifact_id: str) -> tuple[Any, ...] | None:
        """Return an artifact's row as `Batch.artifacts` has it, None if there is none."""
        c = t.artifacts.c
        query = sa.select(
            c.id, c.run_id, c.root_id, c.key, c.kind, c.title, c.owner, c.data, c.created_at, c.updated_at
        ).where(c.id == artifact_id)
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else tuple(row)

    def days(self, *, days: int, owner: str | None = None) -> list[dict[str, Any]]:
        """Return how root runs ended on each of the last days (UTC), oldest first.

        Returns
        -------
        list of {day, completed, failed, crashed, cancelled, median_seconds}
        """
        c, now = t.runs.c, self._db.clock.now_us()
        today = now // DAY
        first = (today - days + 1) * DAY
        # Integer division by a bound column type would be a float on SQLAlchemy 2: the driver's own operator is meant.
        day = sa.cast(c.created_at, sa.BigInteger).op("/")(sa.literal(DAY, sa.BigInteger))
        where = [c.parent_id.is_(None), c.created_at >= first] + ([c.owner == owner] if owner is not None else [])
        counts = sa.select(day, c.state_type, sa.func.count()).where(*where).group_by(day, c.state_type)
        took = (
            sa.select(day, c.ended_at - c.started_at)
            .where(*where, c.state_type == "COMPLETED", c.started_at.is_not(None), c.ended_at.is_not(None))
            .order_by(c.created_at.desc())
            .limit(SAMPLE)
        )
        ended: dict[int, dict[str, int]] = defaultdict(dict)
        lasted: dict[int, list[int]] = defaultdict(list)
        with self._db.read() as connection:
            for row in connection.execute(counts):
                ended[int(row[0])][row[1]] = int(row[2])
            for row in connection.execute(took):
                lasted[int(row[0])].append(max(0, int(row[1])))
        return [
            {
                "day": instant(d * DAY).date().isoformat(),
                "completed": ended[d].get("COMPLETED", 0),
                "failed": ended[d].get("FAILED", 0),
                "crashed": ended[d].get("CRASHED", 0),
                "cancelled": ended[d].get("CANCELLED", 0),
                "median_seconds": median(lasted[d]) / 1_000_000 if lasted[d] else None,
            }
            for d in range(today - days + 1, today + 1)
        ]
