"""The worker's loop: claim, start, watch, stop, capture, reap; one thread that never waits for a run.

Responsibilities: at most `limit` processes at once; a cancel or a time limit is
carried out; what a process wrote is in the store within 0.2 s; a process that
ended without a word ends its attempt; runs whose worker died are taken over.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace.core.deployments import Worker as WorkerRecord
from headrace.core.errors import HeadraceError, NotFound, StoreError, one_line
from headrace.core.failpoints import reach
from headrace.core.ids import new_id
from headrace.core.runs import Run
from headrace.core.states import StateType
from headrace.server.worker import command, facts
from headrace.server.worker.capture import Tail, store_lines
from headrace.server.worker.child import Child, how_it_ended
from headrace.server.worker.leftovers import remove_leftovers
from headrace.server.worker.reaper import REAP_SECONDS, Reaper
from headrace.server.worker.recovering import recover
from headrace.server.worker.warm import WarmUnits
from headrace.store import liveness
from headrace.store.claims import Ending
from headrace.store.deploying import retain, set_paused
from headrace.store.sinks import fold_journals
from headrace.store.upgrade import backup_daily
from headrace.store.watch import Watcher

if TYPE_CHECKING:
    from headrace.store import Store

#: How often journals are folded in where they are how everybody writes (network file systems), seconds.
FOLD_SECONDS = 0.25
#: How often output files are looked at, seconds.
CAPTURE_SECONDS = 0.1
#: An auto-started worker leaves after so long without anything to do or to wait for, seconds.
IDLE_SECONDS = 600.0
#: After SIGTERM runs may end for so long; then they are left to the next worker, seconds.
DRAIN_SECONDS = 10.0
#: After so many scheduled runs in a row that had nothing to run, their deployment is paused.
HOPELESS = 3
#: How often old runs are looked for, seconds.
RETAIN_SECONDS = 600.0
log = logging.getLogger("headrace.worker")


class Worker:
    """Claims due runs of its pools and gives each a process.

    Parameters
    ----------
    store : Store
    pool : str
    owner : str
    limit : int
        How many runs at once.
    any_owner : bool, default False
        Also take other people's runs: the pool was configured for it by name.
    name : str, default ""
    idle_seconds : float or None, default None
        Leave after so long with nothing to do and nothing scheduled; None stays.
    build : callable, default command.build
        Makes the command of a run's process.
    """

    def __init__(
        self,
        store: Store,
        *,
        pool: str,
        owner: str,
        limit: int,
        any_owner: bool = False,
        name: str = "",
        idle_seconds: float | None = None,
        build: Callable[[Store, Run], command.Command] = command.build,
    ) -> None:
        self.store = store
        self.pool = pool
        self.limit = limit
        self.stop_event = threading.Event()
        #: By run and attempt: the process of a failed attempt may still be leaving when the next one starts.
        self.children: dict[tuple[str, int], Child] = {}
        self._owner = None if any_owner else owner
        self._person = owner
        self._idle_seconds = idle_seconds
        self._build = build
        self._me = liveness.owner_id()
        self._id = new_id()
        self._name = name or f"{pool}-{os.getpid()}"
        self._clock = store.clock
        self._watcher = Watcher(store.database)
        self._reaper = Reaper(store)
        self._warm = WarmUnits(store.clock)
        self._drain_until: float | None = None
        self._last: dict[str, float] = {}
        self._busy_at = self._clock.monotonic()
        self._next_due: int | None = None

    def run(self) -> None:
        """Work until told to stop; runs that are still on then go on without this worker."""
        self._register()
        try:
            while not self.stop_event.is_set():
                try:
                    if self._is_done():
                        break
                    self.tick(changed=self._watcher.wait(self._pause(), self.stop_event))
                except StoreError as error:
                    # The runs go on; what waits is tried again. Said once a minute, not at each try (F-14).
                    if self._every("store-error", 60.0):
                        log.warning("the store cannot be used now: %s", one_line(error))
                    self.stop_event.wait(0.5)
                except Exception:
                    if self._every("fault", 60.0):
                        log.exception("the worker goes on after a fault of its own")
                    self.stop_event.wait(0.5)
        finally:
            self._leave()

    def drain(self) -> None:
        """Take no new runs, wait a little for those that are on, then leave."""
        if self._drain_until is not None:
            self.stop_event.set()
            return
        self._drain_until = self._clock.monotonic() + DRAIN_SECONDS

    def _register(self) -> None:
        from headrace import __version__

        self.store.workers.register(
            WorkerRecord(
                id=self._id,
                name=self._name,
                owner=self._person,
                pool=self.pool,
                owner_id=self._me,
                host=liveness.host_key(),
                pid=os.getpid(),
                version=__version__,
                slots=self.limit,
                details={"auto": self._idle_seconds is not None, "python": sys.executable},
            )
        )

    def _leave(self) -> None:
        self._warm.close()
        try:
            self._capture(final=False)
            self.store.workers.set_state(self._id, "ended")
        except StoreError as error:
            log.warning("the worker's end could not be recorded: %s", one_line(error))

    def _every(self, what: str, seconds: float) -> bool:
        now = self._clock.monotonic()
        if now - self._last.get(what, -seconds) < seconds:
            return False
        self._last[what] = now
        return True

    def _pause(self) -> float:
        """Return how long nothing needs a look, seconds."""
        if self.children:
            return CAPTURE_SECONDS
        pause = REAP_SECONDS
        if self._next_due is not None:
            pause = min(pause, max(0.0, (self._next_due - self._clock.now_us()) / 1_000_000))
        return pause

    def _is_done(self) -> bool:
        now = self._clock.monotonic()
        if self._drain_until is not None:
            return not self.children or now >= self._drain_until
        if self._idle_seconds is None or self.children or now - self._busy_at < self._idle_seconds:
            return False
        if self._next_due is not None or self.store.schedules.next_due() is not None:
            self._busy_at = now
            return False
        return True

    def tick(self, *, changed: bool = True) -> None:
        """Do everything whose time has come, once."""
        if self._every("heartbeat", liveness.HEARTBEAT_SECONDS):
            self.store.workers.heartbeat(self._id)
            self.store.claims.renew(self._me)
        if self.store.database.on_network and self._every("fold", FOLD_SECONDS):
            fold_journals(self.store)
        if self._every("reap", REAP_SECONDS):
            # Folded first: what a process has said must be known before it is judged.
            fold_journals(self.store)
            self._reaper.reap(spared={child.run.root_id for child in self.children.values()})
            self._give_back()
            self._adopt()
            changed = True
        if self._every("retain", RETAIN_SECONDS):
            retain(self.store)
            remove_leftovers(self.store)
            liveness.sweep()
            backup_daily(self.store.database)
        if self._every("warm", 1.0):
            self._warm.tick()
        if self.children:
            if changed:
                self._stop_cancelled()
            for child in list(self.children.values()):
                child.step()
            if self._every("capture", CAPTURE_SECONDS):
                self._capture(final=False)
            for child in list(self.children.values()):
                if child.exit_code() is not None:
                    self._finish(child)
                    changed = True
        if changed or (self._next_due is not None and self._next_due <= self._clock.now_us()):
            self._claim()

    def _claim(self) -> None:
        """Start what is due, as far as there is room."""
        if self._drain_until is not None:
            return
        self._next_due = self.store.claims.next_due(pools=[self.pool], owner=self._owner)
        if self._next_due is None or self._next_due > self._clock.now_us():
            return
        free = self.limit - len(self.children)
        if free <= 0:
            return
        reach("after_fire_before_claim")
        runs = self.store.claims.claim(
            self._me, pools=[self.pool], owner=self._owner, limit=free, host=liveness.host_key()
        )
        for run in runs:
            self._start(run)
        if not runs:
            # Due, but over a limit: looked at again when something ends.
            self._next_due = None
        else:
            self._next_due = self.store.claims.next_due(pools=[self.pool], owner=self._owner)

    def _start(self, run: Run) -> None:
        self._busy_at = self._clock.monotonic()
        if (run.id, run.attempt) in self.children:
            self.store.claims.requeue(run, reason="its process of before is still ending")
            return
        try:
            child = self._child(run)
        except StoreError:
            # The store's fault is not the run's: it is given back at the next look and claimed again.
            raise
        except HeadraceError as error:
            fault = {"type": type(error).__name__, "message": one_line(error), "traceback": ""}
            ending = Ending(reason=one_line(error), state_type="FAILED", state_name="Failed", error=fault, retry=False)
            self.store.claims.end_attempt(run, ending)
            if isinstance(error, NotFound):
                self._pause_hopeless(run, one_line(error))
            return
        except OSError as error:
            self.store.claims.end_attempt(run, Ending(reason=f"its process could not be started: {error.strerror}"))
            return
        except Exception as error:
            # A run that cannot be started for whatever reason must not keep the worker from the others.
            log.exception("run %s could not be started", run.id)
            reason = f"its process could not be started: {type(error).__name__}: {one_line(error)}"
            self.store.claims.end_attempt(run, Ending(reason=reason, retry=False))
            return
        self.children[run.id, run.attempt] = child
        if child.pid is not None:
            self.store.claims.started(run.id, worker=self._me, pid=child.pid)

    def _pause_hopeless(self, run: Run, reason: str) -> None:
        """Pause a deployment whose notebook or interpreter was missing a few times in a row (reliability.md, F-41)."""
        if run.deployment_id is None or run.trigger != "schedule":
            return
        last = self.store.deployments.last_runs(run.deployment_id, limit=HOPELESS)
        missing = [r for r in last if r.state_type is StateType.FAILED and (r.error or {}).get("type") == "NotFound"]
        if len(missing) < HOPELESS:
            self.store.deployments.set_error(run.deployment_id, reason)
            return
        deployment = self.store.deployments.get(run.deployment_id)
        set_paused(self.store, deployment, True, error=f"paused after {HOPELESS} runs that could not begin: {reason}")

    def _child(self, run: Run) -> Child:
        """Give the run to a warm unit, or to a process of its own."""
        made = self._build(self.store, run)
        process = self._warm.take(run, made)
        return Child.start(run, made, self._clock) if process is None else Child.warm(run, made, self._clock, process)

    def _stop_cancelled(self) -> None:
        states = {run.id: run for run in self.store.claims.held(self._me)}
        for (run_id, attempt), child in self.children.items():
            run = states.get(run_id)
            if run is not None and run.attempt == attempt:
                child.run = run
                if run.state_type is StateType.CANCELLING:
                    child.stop()

    def _capture(self, *, final: bool) -> None:
        store_lines(self.store, [(child.tail, final) for child in self.children.values()])

    def _finish(self, child: Child) -> None:
        """Close the books on an attempt whose process has ended."""
        if not child.clear():
            return
        store_lines(self.store, [(child.tail, True)])
        self._busy_at = self._clock.monotonic()
        code = child.exit_code() or 0
        # A process that could not reach the store has written its end into a journal.
        fold_journals(self.store)
        run = self.store.runs.find(child.run.id)
        if run is not None and not run.is_final and run.attempt == child.run.attempt:
            self._end(run, child, code)
        del self.children[child.run.id, child.run.attempt]

    def _end(self, run: Run, child: Child, code: int) -> None:
        """End an attempt whose process did not do so itself."""
        if run.state_type is StateType.PAUSED and run.owner_id is None:
            return  # suspended: it waits for a person without a process
        if run.state_type is StateType.SCHEDULED:
            self.store.claims.release(run)
            return
        someone_else = run.owner_id not in (None, self._me) and liveness.is_alive(run.owner_id or "")
        if someone_else or (code == command.SUPERSEDED and run.owner_id != self._me):
            return
        if child.timed_out:
            limit = (run.details.get("launch") or {}).get("timeout_seconds")
            reason = f"it passed its time limit of {limit:g} s"
            fault = {"type": "TaskTimeout", "message": reason, "traceback": ""}
            ending = Ending(reason=reason, state_type="FAILED", state_name="TimedOut", error=fault)
        else:
            how = "is gone" if child.is_adopted else how_it_ended(code)
            tail = "\n".join(child.tail.last_lines())
            reason = f"its process {how}" + (" before it began" if run.state_type is StateType.PENDING else "")
            ending = Ending(reason=reason, error={"type": "CrashedRun", "message": reason, "traceback": tail})
        facts.kill_strays(child.folder)
        ended = self.store.claims.end_attempt(run, ending)
        if ended is not None:
            recover(ended, self.store.place)

    def _give_back(self) -> None:
        """Give back what this worker holds and does not know of: a claim whose commit seemed to have failed."""
        for run in self.store.claims.held(self._me):
            unknown = (run.id, run.attempt) not in self.children and run.state_type is StateType.PENDING
            if unknown and run.owner_id == self._me:
                self.store.claims.requeue(run, reason="its worker did not learn that it had claimed it")

    def _adopt(self) -> None:
        """Take over the living runs of this pool whose worker is gone."""
        for run in self.store.claims.leased(pools=[self.pool]):
            if (
                (run.id, run.attempt) in self.children
                or run.lease_owner in (None, self._me)
                or run.owner_id in (None, run.lease_owner)
            ):
                continue
            if self._owner is not None and run.owner != self._owner:
                continue
            if not self._reaper.is_dead(run.lease_owner or "", run.heartbeat_at or 0):
                continue
            if liveness.is_alive(run.owner_id or "") and self.store.claims.take_over(run, worker=self._me):
                folder = command.attempt_folder(self.store.place.data_dir, run)
                tail = Tail(run, folder)
                tail = Tail(run, folder, self.store.captures.marks(tail.marks()))
                self.children[run.id, run.attempt] = Child(run, folder, self._clock, tail)
                log.info("took over run %s (pid %s)", run.id, (facts.read_facts(folder) or run).pid)
