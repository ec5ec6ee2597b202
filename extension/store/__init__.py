"""Floor 1: the store that every process shares. The only place that knows SQLAlchemy.

The store speaks the domain's verbs and hides its tables::

    store = get_store()
    store.runs.get(run_id)
    store.logs.lines(run_id, offset=0, limit=200)
    store.journal.after(seq)
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from headrace.core.clock import SYSTEM_CLOCK, Clock
from headrace.core.errors import StoreTooNew
from headrace.core.settings import StorePlace, find_store

if TYPE_CHECKING:
    from headrace.store.captures import Captures
    from headrace.store.claims import Claims
    from headrace.store.deployments import Deployments
    from headrace.store.documents import Documents
    from headrace.store.idempotency import Idempotency
    from headrace.store.journal import Journal
    from headrace.store.limits import Limits
    from headrace.store.logs import Logs
    from headrace.store.notices import Notices
    from headrace.store.overview import Overview
    from headrace.store.pauses import Pauses
    from headrace.store.recorder import Recorder
    from headrace.store.results import Results
    from headrace.store.runs import Runs
    from headrace.store.schedules import Schedules
    from headrace.store.workers import Workers


class Store:
    """One store, opened and at the right schema.

    Parameters
    ----------
    place : StorePlace or None, default what `find_store` finds
    clock : Clock, default the system's
    upgrade : bool or None, default None
        See `headrace.store.upgrade.ensure_schema`.
    record_only : bool, default False
        A schema that is too new is no error but a warning: the user's code runs, its records go into journals.

    Raises
    ------
    StoreError
        It cannot be opened; the message says why and what to do.
    """

    def __init__(
        self,
        place: StorePlace | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        upgrade: bool | None = None,
        record_only: bool = False,
    ) -> None:
        from headrace.store.database import Database
        from headrace.store.upgrade import ensure_schema

        self.place = place or find_store()
        self._before_close: list[Callable[[], None]] = []
        self.database = Database(self.place, clock=clock)
        try:
            self.schema = ensure_schema(self.database, upgrade=upgrade)
        except StoreTooNew as error:
            if not record_only:
                raise
            self.schema = ""
            warnings.warn(f"{error.message} Until then runs are recorded in journals.", RuntimeWarning, stacklevel=2)

    @property
    def clock(self) -> Clock:
        """The clock that the store reads."""
        return self.database.clock

    @cached_property
    def runs(self) -> Runs:
        """Runs: create, advance, find, list, delete."""
        from headrace.store.runs import Runs

        return Runs(self.database)

    @cached_property
    def journal(self) -> Journal:
        """The journal of events."""
        from headrace.store.journal import Journal

        return Journal(self.database)

    @cached_property
    def logs(self) -> Logs:
        """Log lines and cell outputs."""
        from headrace.store.logs import Logs

        return Logs(self.database)

    @cached_property
    def documents(self) -> Documents:
        """Notebooks as documents."""
        from headrace.store.documents import Documents

        return Documents(self.database)

    @cached_property
    def results(self) -> Results:
        """The index of stored results."""
        from headrace.store.results import Results

        return Results(self.database)

    @cached_property
    def limits(self) -> Limits:
        """Concurrency and rate limits."""
        from headrace.store.limits import Limits

        return Limits(self.database)

    @cached_property
    def deployments(self) -> Deployments:
        """Deployments and the snapshots they pin."""
        from headrace.store.deployments import Deployments

        return Deployments(self.database)

    @cached_property
    def schedules(self) -> Schedules:
        """Schedules and their slots."""
        from headrace.store.schedules import Schedules

        return Schedules(self.database)

    @cached_property
    def notices(self) -> Notices:
        """Who is told of what."""
        from headrace.store.notices import Notices

        return Notices(self.database)

    @cached_property
    def captures(self) -> Captures:
        """Output of processes that became log lines."""
        from headrace.store.captures import Captures

        return Captures(self.database)

    @cached_property
    def claims(self) -> Claims:
        """Claims of due runs, and attempts whose process is gone."""
        from headrace.store.claims import Claims

        return Claims(self.database)

    @cached_property
    def workers(self) -> Workers:
        """Workers and pools."""
        from headrace.store.workers import Workers

        return Workers(self.database)

    @cached_property
    def idempotency(self) -> Idempotency:
        """Answers to requests with a key."""
        from headrace.store.idempotency import Idempotency

        return Idempotency(self.database)

    @cached_property
    def overview(self) -> Overview:
        """Summaries for the home page."""
        from headrace.store.overview import Overview

        return Overview(self.database)

    @cached_property
    def pauses(self) -> Pauses:
        """Runs that wait for a person."""
        from headrace.store.pauses import Pauses

        return Pauses(self.database)

    @cached_property
    def recorder(self) -> Recorder:
        """This process's recorder."""
        from headrace.store.recorder import Recorder

        if self.database.on_network or not self.schema:
            # Many writers on a network file system would block each other: one process folds all journals in. And who
            # does not know a schema leaves his records to somebody who does.
            from headrace.store.sinks import JournalSink

            return Recorder(self, JournalSink(self.place.data_dir / "journals"))
        return Recorder(self)

    @cached_property
    def instance(self) -> str:
        """The id that was given to this store when it was made."""
        with self.database.read() as connection:
            return str(connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'instance'").scalar())

    def before_close(self, stop: Callable[[], None]) -> None:
        """Call `stop` before the store is closed: a thread that looks at it must not find it gone."""
        self._before_close.append(stop)

    def close(self) -> None:
        """Write what waits and close every connection."""
        while self._before_close:
            self._before_close.pop()()
        if "recorder" in self.__dict__:
            self.recorder.close()
        self.database.close()


_lock = threading.Lock()
_stores: dict[tuple[int, str], Store] = {}


def get_store(url: str | None = None, *, record_only: bool = False) -> Store:
    """Return this process's store (opened at the first call; one per process and URL); see `Store`."""
    place = find_store(url)
    key = (os.getpid(), place.url)
    with _lock:
        store = _stores.get(key)
        if store is None:
            store = _stores[key] = Store(place, record_only=record_only)
        return store


def forget_stores() -> None:
    """Close this process's stores, so that the next call of `get_store` looks anew (tests, changed settings)."""
    with _lock:
        for (pid, _url), store in list(_stores.items()):
            if pid == os.getpid():
                store.close()
        _stores.clear()
