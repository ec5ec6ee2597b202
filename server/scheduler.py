"""The scheduler: turns due slots into runs. Any number may run on one database.

It sleeps until the next schedule is due and wakes when the store changes; what
is due is read in batches, computed outside of any transaction, and written
with the schedules' next times in one transaction each (`Schedules.fire`).
A row that cannot be computed is set aside with its error and harms no other.
"""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING

from headrace.core.clock import instant, iso, micros
from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.errors import HeadraceError, StoreError, one_line
from headrace.core.launching import deployment_run
from headrace.core.policies import CatchUp, CatchUpMode, plan_catch_up
from headrace.core.runs import Run
from headrace.store import timetable
from headrace.store.firing import Due, Firing
from headrace.store.slots import tzdata_version
from headrace.store.watch import Watcher

if TYPE_CHECKING:
    from headrace.store import Store

#: Schedules in one transaction: 10,000 due at once take 20, and other writers get their turn between.
BATCH = 500
#: In how many places schedulers may begin while a full batch is due.
SPREAD = 4
#: With nothing scheduled the store is asked again after so long even if nothing seemed to change, seconds.
REST_SECONDS = 60.0
log = logging.getLogger("headrace.scheduler")


class Scheduler:
    """Fires schedules.

    Parameters
    ----------
    store : Store
    batch : int, default 500
    """

    def __init__(self, store: Store, *, batch: int = BATCH) -> None:
        self._store = store
        self._batch = batch
        self._clock = store.clock
        self._stop = threading.Event()
        self._chance = random.Random()
        self._watcher = Watcher(store.database, eager=False)
        self.next_due: int | None = None
        self.is_alive = False

    def run(self) -> None:
        """Fire what is due until told to stop."""
        self.is_alive = True
        said = 0.0
        try:
            while not self._stop.is_set():
                try:
                    self.tick()
                    self.is_alive = True
                    self._wait()
                except StoreError as error:
                    self.is_alive = False
                    # The slots stay where they are and fire once the store answers (F-14); said once a minute.
                    if self._clock.monotonic() - said > 60:
                        said = self._clock.monotonic()
                        log.warning("schedules wait for the store: %s", one_line(error))
                    self._stop.wait(0.5)
                except Exception:
                    self.is_alive = False
                    log.exception("the scheduler goes on after a fault of its own")
                    self._stop.wait(1.0)
        finally:
            self.is_alive = False

    def stop(self) -> None:
        """End `run` at the next look."""
        self._stop.set()

    def _wait(self) -> None:
        self.next_due = due = self._store.schedules.next_due()
        pause = REST_SECONDS
        if due is not None:
            pause = min(pause, max(0.0, (due - self._clock.now_us()) / 1_000_000))
        # Wall time may jump while we sleep: it is looked at again at each look at the store.
        self._watcher.wait(pause, self._stop, until=lambda: due is not None and self._clock.now_us() >= due)

    def tick(self) -> list[Run]:
        """Decide everything that is due now.

        Returns
        -------
        list of Run
            The runs that were made.
        """
        made: list[Run] = []
        skip = 0
        while not self._stop.is_set():
            now = self._clock.now_us()
            due = self._store.schedules.due(now, limit=self._batch, skip=skip)
            if not due and not skip:
                break
            firings = [f for schedule, deployment in due if (f := self._plan(schedule, deployment, now)) is not None]
            if firings:
                made += self._store.schedules.fire(firings)
            if len(due) < self._batch and not skip:
                break
            # Where thousands are due at once, schedulers that begin at different places do not do each other's work.
            skip = self._batch * self._chance.randrange(SPREAD) if len(due) == self._batch else 0
        return made

    def _plan(self, schedule: ScheduleRow, deployment: Deployment | None, now: int) -> Firing | None:
        try:
            if deployment is None:
                raise HeadraceError("its deployment is gone")
            return plan_firing(schedule, deployment, now)
        except Exception as error:
            message = (
                one_line(error) if isinstance(error, HeadraceError) else f"{type(error).__name__}: {one_line(error)}"
            )
            log.warning("schedule %s cannot fire and is set aside: %s", schedule.id, message)
            self._store.schedules.quarantine(schedule, message)
            return None


def plan_firing(schedule: ScheduleRow, deployment: Deployment, now: int) -> Firing:
    """Return what becomes of a due schedule's slots up to now.

    Raises
    ------
    InvalidSchedule
        The row cannot be computed.
    """
    policy = CatchUp(
        mode=CatchUpMode(deployment.catch_up), limit=deployment.catch_up_limit, grace_seconds=deployment.grace_seconds
    )
    come = timetable.come(schedule, now, limit=policy.slots_wanted)
    due: list[Due] = []
    last = schedule.next_slot_at or now
    if come.slots:
        last = micros(come.slots[-1])
        period = timetable.period_seconds(schedule, last)
        for row in plan_catch_up(come, policy, instant(now), period_seconds=period):
            slot, reason = micros(row.slot), row.reason
            if row.decision != "run" or deployment.paused:
                due.append(Due(slot_at=slot, reason="paused" if row.decision == "run" else reason))
            else:
                due.append(Due(slot_at=slot, run=slot_run(deployment, schedule, slot, now), reason=reason))
    following = timetable.next_slot(schedule, last if come.slots else last - 1)
    return Firing(
        schedule=schedule,
        due=due,
        next_slot_at=following,
        next_fire_at=None if following is None else timetable.fire_at(schedule, following),
        overlap=deployment.overlap,
        tzdata=tzdata_version() or None,
    )


def slot_run(
    deployment: Deployment, schedule: ScheduleRow, slot_at: int, now: int, *, trigger: str = "schedule"
) -> Run:
    """Return the run of a slot."""
    return deployment_run(
        deployment,
        now=now,
        schedule=schedule,
        slot_at=slot_at,
        interval_start_at=timetable.previous_slot(schedule, slot_at),
        trigger=trigger,
        name=f"{deployment.name} {_shown(slot_at)}",
    )


def _shown(slot_at: int) -> str:
    """Return a slot for a run's name, UTC: to the minute, or the second where there are seconds."""
    text = (iso(slot_at) or "").replace("T", " ")
    return text[:16] if slot_at % 60_000_000 == 0 else text[:19]
