"""What a server does besides answering: fire schedules, end the attempts of the dead, see that a worker is there.

Nothing runs before there is something to do: with no database file yet the
store is not even opened, and with no active schedule, no unfinished run and no
request no thread is started.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace.core.deployments import DEFAULT_POOL
from headrace.core.errors import StoreError, one_line
from headrace.server import metrics
from headrace.store.peek import is_needed

if TYPE_CHECKING:
    from headrace.server.notices.notifier import Notifier
    from headrace.server.scheduler import Scheduler
    from headrace.server.services import Services
    from headrace.store import Store

#: How often the dead are looked for and workers are counted, seconds.
LOOK_SECONDS = 2.0
#: … where records come by journals, which somebody has to fold in.
NETWORK_SECONDS = 0.5
#: How often an idle server looks whether a database has come or a schedule was made by another process, seconds.
PEEK_SECONDS = 15.0
#: A worker that was started is given so long to register before another one is, seconds.
WORKER_START_SECONDS = 20.0
log = logging.getLogger("headrace.server")


class Background:
    """The threads of one server.

    Parameters
    ----------
    services : Services
    start_workers : bool, default True
        Start a detached worker where one is needed and none is alive.
    on_activity : callable () or None, default None
        Called now and then while runs are on.
    """

    def __init__(
        self, services: Services, *, start_workers: bool = True, on_activity: Callable[[], None] | None = None
    ) -> None:
        self._services = services
        self._start_workers = start_workers
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._scheduler: Scheduler | None = None
        self._scheduling: threading.Thread | None = None
        self._notifier: Notifier | None = None
        self._notifying: threading.Thread | None = None
        self._started: dict[str, float] = {}
        self._on_activity = on_activity
        self._told = -metrics.EVERY_SECONDS
        self._is_idle = False

    @property
    def scheduler_is_alive(self) -> bool:
        """Whether this server fires schedules."""
        return self._scheduler is not None and self._scheduler.is_alive

    def start(self) -> None:
        """Begin to look whether there is something to do."""
        self._thread = threading.Thread(target=self._work, name="headrace-background", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look now: something was made that has to run."""
        self._wake.set()

    def stop(self) -> None:
        """End the threads."""
        self._stop.set()
        self._wake.set()
        if self._scheduler is not None:
            self._scheduler.stop()
        if self._notifier is not None:
            self._notifier.stop()
        for thread in (self._thread, self._scheduling, self._notifying):
            if thread is not None and thread.is_alive():
                thread.join(timeout=5)

    def _work(self) -> None:
        said = False
        while not self._stop.is_set():
            pause = PEEK_SECONDS
            if self._services.is_open or is_needed(self._services.place):
                try:
                    self._look()
                    said = False
                except StoreError as error:
                    if not said:
                        log.warning("headrace: %s", one_line(error))
                    said = True
                except Exception:
                    log.exception("headrace: the background goes on after a fault of its own")
                pause = self._pause()
            self._wake.wait(pause)
            self._wake.clear()

    def _pause(self) -> float:
        """Return how long until the next look, seconds; meanwhile an idle server holds no connection to a database."""
        if not self._services.is_open:
            return LOOK_SECONDS
        store = self._services.store
        if store.database.on_network:
            return NETWORK_SECONDS
        if store.database.dialect == "sqlite" or not self._is_idle:
            return LOOK_SECONDS
        store.database.let_go()
        return PEEK_SECONDS

    def _look(self) -> None:
        """Do once what there is to do, and note whether there was anything."""
        from headrace.server.scheduler import Scheduler
        from headrace.server.worker.reaper import Reaper
        from headrace.store.sinks import fold_journals

        store = self._services.store
        if self._scheduler is None and store.schedules.next_due() is not None:
            self._scheduler = Scheduler(store)
            self._scheduling = threading.Thread(target=self._scheduler.run, name="headrace-scheduler", daemon=True)
            self._scheduling.start()
        if self._notifier is None and store.notices.watched(owner=self._services.owner):
            from headrace.server.notices.notifier import Notifier

            self._notifier = Notifier(store, owner=self._services.owner)
            self._notifying = threading.Thread(target=self._notifier.run, name="headrace-notices", daemon=True)
            self._notifying.start()
        fold_journals(store)
        Reaper(store).reap()
        self._tell(store)
        if self._start_workers:
            self._see_to_workers()
        self._is_idle = not (
            self._scheduler
            or self._notifier
            or store.claims.owners()
            or store.claims.due_pools(owner=self._services.owner)
        )

    def _tell(self, store: Store) -> None:
        """Tell Jupyter (and so the hub's culler) that runs are on, and set the metrics."""
        now = store.clock.monotonic()
        if now - self._told < metrics.EVERY_SECONDS:
            return
        self._told = now
        owner = self._services.owner
        counts = store.overview.counts(owner=owner)
        if counts["running"] and self._on_activity is not None:
            self._on_activity()
        following = store.schedules.next_due()
        metrics.set_gauges(
            {
                **counts,
                "workers": len(store.workers.alive(owner=owner)),
                "next_fire": 0 if following is None else following / 1_000_000,
            }
        )

    def _see_to_workers(self) -> None:
        """Start a worker for each pool in which something waits, and one for the schedules."""
        from headrace.server.worker.start import ensure_worker

        store, owner = self._services.store, self._services.owner
        pools = set(store.claims.due_pools(owner=owner))
        if store.schedules.next_due() is not None:
            pools.add(DEFAULT_POOL)
        now = store.clock.monotonic()
        for pool in sorted(pools):
            if pool != DEFAULT_POOL and not self._services.owns_pool(pool):
                continue
            if now - self._started.get(pool, -WORKER_START_SECONDS) < WORKER_START_SECONDS:
                continue
            if ensure_worker(store, owner=owner, pool=pool):
                self._started[pool] = now
                log.info("headrace: started a worker for pool %s", pool)
