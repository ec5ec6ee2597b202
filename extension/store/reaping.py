"""Runs whose process has died: found by whoever looks (DESIGN.md, "Liveness").

Same host: the owner's lock file says at once whether it lives; no verdict by
time there, because a call that holds the interpreter for minutes is not death.
Other hosts: no heartbeat for 45 s by the database's clock. What a worker
started is left to the workers and the server: they also stop what its process
has left behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from headrace.core.launching import LAUNCH
from headrace.core.runs import Run
from headrace.store import liveness
from headrace.store import schema as t
from headrace.store.claims import Ending

if TYPE_CHECKING:
    from headrace.store import Store

#: Ids in one statement.
_CHUNK = 500


def heartbeat(store: Store, run_ids: Sequence[str]) -> None:
    """Say that the owner of these runs lives, for observers on other hosts.

    Parameters
    ----------
    store : Store
    run_ids : sequence of str
        The roots of what the caller's process moves on.
    """
    if not run_ids:
        return
    with store.database.write() as connection:
        now = store.database.now_us(connection)
        for start in range(0, len(run_ids), _CHUNK):
            mine = t.runs.c.id.in_(run_ids[start : start + _CHUNK])
            connection.execute(sa.update(t.runs).where(mine).values(heartbeat_at=now))


def reap(store: Store) -> list[Run]:
    """End every run whose owner is dead, with everything below it.

    Returns
    -------
    list of Run
        The runs that were moved, as they are now.
    """
    moved: list[Run] = []
    with store.database.read() as connection:
        now = store.database.now_us(connection)
    for owner, heartbeat_at in store.claims.owners().items():
        if not _is_dead(owner, heartbeat_at, now):
            continue
        for run in store.claims.of_owner(owner):
            if LAUNCH in run.details:
                continue
            where = f"pid {run.pid or '?'} on {run.host or 'an unknown host'}"
            reason = f"the process that ran it ({where}) ended without a word"
            error = {"type": "CrashedRun", "message": reason, "traceback": ""}
            ended = store.claims.end_attempt(run, Ending(reason=reason, error=error, retry=False))
            if ended is not None:
                moved.append(ended)
    return moved


def _is_dead(owner: str, heartbeat_at: int, now: int) -> bool:
    alive = liveness.is_alive(owner)
    if alive is not None:
        return not alive
    return bool(heartbeat_at) and now - heartbeat_at > liveness.REMOTE_DEATH_SECONDS * 1_000_000
