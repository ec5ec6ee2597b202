"""Wake when somebody wrote: on SQLite a look at `PRAGMA data_version` (3 µs), on PostgreSQL a look at the journal's end.

A watcher never says "nothing" when there was something; it may say "something"
when there was not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import sqlalchemy as sa

from headrace.core.errors import StoreError
from headrace.store import schema as t
from headrace.store.database import Database

#: How often a process looks while somebody waits for it, seconds (DESIGN.md, "Order and wake-up").
EAGER_SECONDS = 0.025
#: How often it looks otherwise, and how often a PostgreSQL server is asked.
CALM_SECONDS = 0.25


class Watcher:
    """Tells one thread when the store may have changed.

    Parameters
    ----------
    database : Database
    eager : bool, default True
        Look every 25 ms rather than every 250 ms (SQLite).
    """

    def __init__(self, database: Database, *, eager: bool = True) -> None:
        self._db = database
        self._step = EAGER_SECONDS if eager and database.dialect == "sqlite" else CALM_SECONDS
        self._seen: int | None = None

    def changed(self) -> bool:
        """Return whether something may have been written since the last call."""
        try:
            version = self._version()
        except StoreError:
            # A store that does not answer is looked at again; whoever uses it next gets the error itself.
            return True
        if version == self._seen:
            return False
        self._seen = version
        return True

    def _version(self) -> int:
        if self._db.dialect == "sqlite":
            return self._db.data_version()
        with self._db.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(t.events.c.seq))).scalar() or 0)

    def wait(self, timeout_seconds: float, stop: threading.Event, *, until: Callable[[], bool] | None = None) -> bool:
        """Wait until something may have changed.

        Parameters
        ----------
        timeout_seconds : float
            How long at most.
        stop : threading.Event
            Ends the wait at once.
        until : callable or None
            Asked at each look; ends the wait too.

        Returns
        -------
        bool
            Whether something may have changed.
        """
        clock = self._db.clock
        deadline = clock.monotonic() + timeout_seconds
        while not stop.is_set():
            if self.changed():
                return True
            left = deadline - clock.monotonic()
            if left <= 0 or (until is not None and until()):
                return False
            stop.wait(min(self._step, left))
        return False
