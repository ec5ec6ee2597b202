"""What a store holds, and how it is kept small: definitions, counts, old runs, free pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headrace.core.states import TERMINAL
from headrace.store import schema as t

if TYPE_CHECKING:
    from headrace.store import Store

DAY_US = 86_400_000_000
_TERMINAL = [state.value for state in TERMINAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionRow:
    """A flow or notebook as its runs show it.

    Parameters
    ----------
    definition, kind : str
    runs : int
        Root runs in the store.
    last_run_id, last_name, last_state_type, last_state_name : str
    last_at : int, µs
    """

    definition: str
    kind: str
    runs: int
    last_run_id: str
    last_name: str
    last_state_type: str
    last_state_name: str
    last_at: int


def definitions(store: Store, *, owner: str | None = None, limit: int = 200) -> list[DefinitionRow]:
    """Return the flows and notebooks that have run, the latest first; of one person, or of all."""
    c = t.runs.c
    whose = [] if owner is None else [c.owner == owner]
    newest = (
        sa.select(c.definition, c.kind, sa.func.count().label("runs"), sa.func.max(c.id).label("last"))
        .where(c.parent_id.is_(None), c.kind.in_(("flow", "notebook")), *whose)
        .group_by(c.definition, c.kind)
        .subquery()
    )
    query = sa.select(newest, c.name, c.state_type, c.state_name, c.created_at).join(t.runs, c.id == newest.c.last)
    with store.database.read() as connection:
        rows = connection.execute(query.order_by(c.created_at.desc()).limit(limit)).all()
    return [
        DefinitionRow(
            definition=row.definition,
            kind=row.kind,
            runs=row.runs,
            last_run_id=row.last,
            last_name=row.name,
            last_state_type=row.state_type,
            last_state_name=row.state_name,
            last_at=row.created_at,
        )
        for row in rows
    ]


def info(store: Store) -> dict[str, Any]:
    """Return what the store holds.

    Returns
    -------
    dict
        `schema`, `rows` (by table), `size_bytes` and `free_bytes` (SQLite, else None), `oldest_at` (µs or None).
    """
    with store.database.read() as connection:
        rows = {
            table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() or 0)
            for table in (t.runs, t.events, t.edges, t.logs, t.outputs, t.results, t.deployments, t.schedules)
        }
        oldest = connection.execute(sa.select(sa.func.min(t.runs.c.created_at))).scalar()
        size = free = None
        if store.database.dialect == "sqlite":
            page = int(connection.exec_driver_sql("PRAGMA page_size").scalar() or 0)
            size = page * int(connection.exec_driver_sql("PRAGMA page_count").scalar() or 0)
            free = page * int(connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0)
    return {"schema": store.schema, "rows": rows, "size_bytes": size, "free_bytes": free, "oldest_at": oldest}


def old_roots(store: Store, *, older_than_days: float) -> Iterator[str]:
    """Yield root runs that ended before so many days, with everything below them ended too, oldest first."""
    c = t.runs.c
    before = store.clock.now_us() - int(older_than_days * DAY_US)
    below = sa.alias(t.runs)
    unfinished = sa.exists(sa.select(below.c.id).where(below.c.root_id == c.id, below.c.state_type.not_in(_TERMINAL)))
    query = sa.select(c.id).where(
        c.parent_id.is_(None), c.state_type.in_(_TERMINAL), c.created_at < before, c.ended_at < before, ~unfinished
    )
    with store.database.read() as connection:
        ids = [row.id for row in connection.execute(query.order_by(c.id))]
    yield from ids


def prune(store: Store, *, older_than_days: float) -> int:
    """Delete root runs that ended before so many days, a transaction each, with everything below them.

    Returns
    -------
    int
        How many runs of every kind were deleted.
    """
    return sum(store.runs.delete(run_id) for run_id in old_roots(store, older_than_days=older_than_days))


def vacuum(store: Store) -> None:
    """Give free pages back to the disk (SQLite), or clean up (PostgreSQL)."""
    engine = store.database.engine
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        if store.database.dialect == "sqlite":
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            raw.execute("VACUUM ANALYZE")
