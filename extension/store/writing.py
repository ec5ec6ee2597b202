"""How a batch of records becomes rows: one transaction, few statements, every race looked at.

Rows go in by multi-row VALUES: one call into SQLite inserts hundreds of rows,
so a recording thread gives the interpreter's lock away once, not once a row
(a thread that computes would make it wait up to 5 ms each time).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from headrace.core.batch import Batch, Change
from headrace.core.events import RUN_FENCED, RUN_STATE
from headrace.core.runs import RUN_COLUMNS
from headrace.store.database import Database
from headrace.store.rows import json_column

#: Rows in one INSERT. Fixed sizes keep the driver's cache of prepared statements warm; 128 rows of 43 columns
#: stay far below SQLite's 32,766 variables.
CHUNKS = (128, 16, 1)

_EVENT_COLUMNS = (
    "at",
    "kind",
    "run_id",
    "root_id",
    "attempt",
    "state_type",
    "state_name",
    "message",
    "subject_id",
    "owner",
    "payload",
)
_FINAL = "('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')"
#: Patches that every change may carry; other columns are patched one by one.
_PATCHED = ("started_at", "ended_at", "error", "result", "cache", "details")
_UPDATE = (
    "UPDATE runs SET state_type = ?, state_name = ?, state_message = ?, state_at = ?, attempt = ?, "
    "started_at = COALESCE(started_at, ?), ended_at = COALESCE(?, ended_at), error = COALESCE(?, error), "
    "result = COALESCE(?, result), cache = COALESCE(?, cache), details = COALESCE(?, details) "
    f"WHERE id = ? AND attempt <= ? AND (state_type NOT IN {_FINAL} "
    "OR (state_type = 'COMPLETED' AND ? = 'COMPLETED' AND ? = 'RolledBack'))"
)


def insert(
    database: Database,
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    ignore: bool = False,
    tail: str = "",
) -> None:
    """Insert rows in chunks of fixed size.

    Parameters
    ----------
    database : Database
    connection : Connection
        Inside a write transaction.
    table : str
    columns : sequence of str
    rows : sequence of rows, each as long as `columns`
    ignore : bool, default False
        Leave out rows whose key is there already.
    tail : str, default ""
        SQL after the values.
    """
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
    tail = " ON CONFLICT DO NOTHING" if ignore else tail
    one = "(" + ", ".join("?" * len(columns)) + ")"
    start = 0
    for size in CHUNKS:
        statement = database.sql(head + ", ".join([one] * size) + tail)
        while len(rows) - start >= size:
            values: list[Any] = []
            for row in rows[start : start + size]:
                values.extend(row)
            connection.exec_driver_sql(statement, tuple(values))
            start += size


def write_batch(database: Database, connection: Connection, batch: Batch) -> list[str]:
    """Write a batch in the caller's transaction.

    Returns
    -------
    list of str
        Ids of runs whose changes were refused: a newer attempt or a final state stands.
    """
    database.lock_journal(connection)
    if batch.runs:
        insert(database, connection, "runs", RUN_COLUMNS, batch.runs, ignore=True)
    fenced = _apply(database, connection, batch.changes) if batch.changes else set()
    history = [_event_row(change, refused=False) for change in batch.births]
    history += [_event_row(change, refused=change.run_id in fenced) for change in batch.changes]
    history += [
        (at, kind, run_id, root_id, None, None, None, None, subject_id, owner, payload)
        for at, kind, run_id, root_id, subject_id, owner, payload in batch.events
    ]
    if batch.edges:
        insert(database, connection, "edges", ("run_id", "upstream_id", "kind", "name"), batch.edges, ignore=True)
    if batch.logs:
        insert(database, connection, "logs", ("run_id", "root_id", "at", "level", "logger", "message"), batch.logs)
    if batch.outputs:
        _write_outputs(database, connection, batch)
    if batch.artifacts:
        _write_artifacts(database, connection, batch)
    if history:
        insert(database, connection, "events", _EVENT_COLUMNS, history)
    database.notify(connection)
    return sorted(fenced)


def _write_outputs(database: Database, connection: Connection, batch: Batch) -> None:
    """Set outputs at their positions; an empty text cuts a run's outputs off from its position on (clear_output)."""
    columns = ("run_id", "root_id", "position", "at", "output")
    upsert = " ON CONFLICT (run_id, position) DO UPDATE SET output = excluded.output, at = excluded.at"
    kept: dict[tuple[str, int], tuple[Any, ...]] = {}
    for row in batch.outputs:
        run_id, _root_id, position, _at, output = row
        if output:
            kept[run_id, position] = row
            continue
        kept = {key: value for key, value in kept.items() if key[0] != run_id or key[1] < position}
        statement = database.sql("DELETE FROM outputs WHERE run_id = ? AND position >= ?")
        connection.exec_driver_sql(statement, (run_id, position))
    insert(database, connection, "outputs", columns, list(kept.values()), tail=upsert)


def _write_artifacts(database: Database, connection: Connection, batch: Batch) -> None:
    """Insert artifacts; one that is there already gets its new data, and a new title where there is one."""
    columns = ("id", "run_id", "root_id", "key", "kind", "title", "owner", "data", "created_at", "updated_at")
    upsert = (
        " ON CONFLICT (id) DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at, "
        "title = CASE WHEN excluded.title = '' THEN artifacts.title ELSE excluded.title END"
    )
    # PostgreSQL refuses a row twice in one statement.
    latest = {row[0]: row for row in batch.artifacts}
    insert(database, connection, "artifacts", columns, list(latest.values()), tail=upsert)


def _event_row(change: Change, *, refused: bool) -> tuple[Any, ...]:
    kind = RUN_FENCED if refused and change.kind == RUN_STATE else change.kind
    return (
        change.at,
        kind,
        change.run_id,
        change.root_id,
        change.attempt,
        change.state_type,
        change.state_name,
        change.message,
        None,
        None,
        change.payload,
    )


def _merge(changes: Iterable[Change]) -> tuple[dict[str, Change], dict[str, dict[str, Any]]]:
    """Return each run's last state change and its patches, later ones over earlier ones."""
    last: dict[str, Change] = {}
    patches: dict[str, dict[str, Any]] = {}
    for change in changes:
        patches.setdefault(change.run_id, {}).update(change.patch)
        if change.kind == RUN_STATE:
            last[change.run_id] = change
    return last, patches


def _apply(database: Database, connection: Connection, changes: Sequence[Change]) -> set[str]:
    last, patches = _merge(changes)
    rows = []
    for run_id, change in last.items():
        patch = patches[run_id]
        extra = [patch.get("started_at"), patch.get("ended_at")]
        extra += [_patch_text(name, patch.get(name)) for name in _PATCHED[2:]]
        key = [run_id, change.attempt, change.state_type, change.state_name]
        state = [change.state_type, change.state_name, change.message, change.at, change.attempt]
        rows.append((*state, *extra, *key))
    fenced: set[str] = set()
    if rows:
        statement = database.sql(_UPDATE)
        connection.exec_driver_sql("SAVEPOINT headrace_changes")
        if connection.exec_driver_sql(statement, rows if len(rows) > 1 else rows[0]).rowcount != len(rows):
            # Somebody was faster for at least one run: undo, then find out row by row which one it was.
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT headrace_changes")
            for row in rows:
                if connection.exec_driver_sql(statement, row).rowcount != 1:
                    fenced.add(str(row[11]))
        connection.exec_driver_sql("RELEASE SAVEPOINT headrace_changes")
    attempts = {change.run_id: change.attempt for change in changes}
    for run_id, patch in patches.items():
        names = [name for name in patch if (name not in _PATCHED or run_id not in last) and name in RUN_COLUMNS]
        if names and run_id not in fenced:
            assignments = ", ".join(f"{name} = ?" for name in names)
            values = [
                _patch_text(name, patch[name])
                if name in ("error", "result", "cache", "details", "tags", "parameters")
                else patch[name]
                for name in names
            ]
            statement = f"UPDATE runs SET {assignments} WHERE id = ? AND attempt <= ?"
            connection.exec_driver_sql(database.sql(statement), (*values, run_id, attempts[run_id]))
    return fenced


def _patch_text(name: str, value: Any) -> str | None:
    return None if value is None else json_column(name, value)
