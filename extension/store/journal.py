"""The journal of events: read everything after a sequence number, and wait for more."""

from __future__ import annotations

import time
from collections.abc import Iterable

import sqlalchemy as sa

from headrace.core.batch import Batch
from headrace.core.events import Event
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.rows import dumps, row_event
from headrace.store.writing import write_batch

#: How often a waiting process looks, seconds (PRAGMA data_version costs 3 µs).
LISTENING_SECONDS = 0.025


class Journal:
    """The store's verbs for events.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def after(self, seq: int, *, limit: int = 1000, kinds: Iterable[str] | None = None) -> list[Event]:
        """Return events with a greater sequence number, in order."""
        query = sa.select(t.events).where(t.events.c.seq > seq)
        if kinds is not None:
            query = query.where(t.events.c.kind.in_(list(kinds)))
        with self._db.read() as connection:
            return [row_event(row) for row in connection.execute(query.order_by(t.events.c.seq).limit(limit))]

    def last_seq(self) -> int:
        """Return the newest sequence number, 0 when there is none."""
        with self._db.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(t.events.c.seq))).scalar() or 0)

    def append(
        self,
        kind: str,
        *,
        run_id: str | None = None,
        root_id: str | None = None,
        subject_id: str | None = None,
        owner: str | None = None,
        payload: object = None,
        durable: bool = False,
    ) -> None:
        """Append one event."""
        row = (self._db.clock.now_us(), kind, run_id, root_id, subject_id, owner, dumps(payload or {}))
        with self._db.write(durable=durable) as connection:
            write_batch(self._db, connection, Batch(events=[row]))

    def wait(self, seq: int, *, timeout_seconds: float) -> bool:
        """Wait until there is an event after `seq`.

        Parameters
        ----------
        seq : int
        timeout_seconds : float
            How long at most.

        Returns
        -------
        bool
            Whether there is one.
        """
        deadline = time.monotonic() + timeout_seconds
        known: int | None = None
        while True:
            version = self._db.data_version() if self._db.dialect == "sqlite" else -1
            if version != known or version == -1:
                known = version
                if self.last_seq() > seq:
                    return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(LISTENING_SECONDS, left))
