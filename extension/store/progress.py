"""How far a run's tree has come, one row for each definition: what a live view shows of maps of any size."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from headrace.core.states import TERMINAL
from headrace.store import schema as t
from headrace.store.database import Database

_ENDED = tuple(sorted(state.value for state in TERMINAL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The runs of one definition below a root.

    Parameters
    ----------
    definition : str
    kind : str
    total, ended, failed, running, waiting_for_retry : int
        Numbers of runs; failed: FAILED or CRASHED.
    attempts : int
        Of all of them together.
    newest_id : str
    """

    definition: str
    kind: str
    total: int
    ended: int
    failed: int
    running: int
    waiting_for_retry: int
    attempts: int
    newest_id: str


def progress_of(database: Database, root_id: str, *, but: str = "") -> list[Progress]:
    """Return the progress of everything below a root, in the order in which definitions first appeared.

    Parameters
    ----------
    database : Database
    root_id : str
    but : str, default ""
        A run that is left out.
    """
    runs = t.runs.c

    def count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((condition, 1), else_=0))

    query = (
        sa.select(
            runs.definition,
            runs.kind,
            sa.func.count(),
            count(runs.state_type.in_(_ENDED)),
            count(runs.state_type.in_(("FAILED", "CRASHED"))),
            count(runs.state_type == "RUNNING"),
            count(runs.state_name == "AwaitingRetry"),
            sa.func.sum(runs.attempt),
            sa.func.max(runs.id),
        )
        .where(runs.root_id == root_id, runs.id.notin_((root_id, but)), runs.kind.in_(("task", "flow")))
        .group_by(runs.definition, runs.kind)
        .order_by(sa.func.min(runs.id))
    )
    with database.read() as connection:
        return [
            Progress(
                definition=row[0],
                kind=row[1],
                total=int(row[2]),
                ended=int(row[3]),
                failed=int(row[4]),
                running=int(row[5]),
                waiting_for_retry=int(row[6]),
                attempts=int(row[7]),
                newest_id=row[8],
            )
            for row in connection.execute(query)
        ]
