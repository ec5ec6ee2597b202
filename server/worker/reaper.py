"""Ends the attempts whose process is gone, and finds the runs whose process lives on without its worker.

Liveness decides, never elapsed time alone: on this host an owner file's lock;
elsewhere 45 s without a heartbeat by the database's clock (DESIGN.md, "Liveness").
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from headrace.core.launching import LAUNCH
from headrace.core.runs import Run
from headrace.core.states import StateType
from headrace.server.worker import facts
from headrace.server.worker.command import attempt_folder
from headrace.server.worker.recovering import end_kernel, recover
from headrace.store import liveness
from headrace.store.claims import Ending

if TYPE_CHECKING:
    from headrace.store import Store

#: How often the dead are looked for, seconds (promise P8: noticed ≤ 5 s while up).
REAP_SECONDS = 2.0
#: A started process that has not taken its attempt over after so long never will, seconds.
TAKE_OVER_SECONDS = 60.0
log = logging.getLogger("headrace.reaper")


class Reaper:
    """Looks for attempts without a living owner.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def is_dead(self, owner: str, heartbeat_at: int) -> bool:
        """Return whether an owner is gone; in doubt it is not."""
        alive = liveness.is_alive(owner)
        if alive is not None:
            return not alive
        if not heartbeat_at:
            return False
        return self._store.clock.now_us() - heartbeat_at > liveness.REMOTE_DEATH_SECONDS * 1_000_000

    def reap(self, *, spared: Collection[str] = ()) -> list[Run]:
        """End what the dead left behind.

        Parameters
        ----------
        spared : collection of str, default ()
            Roots that somebody else ends: a worker knows more of its own processes than that they are gone.

        Returns
        -------
        list of Run
            The runs that were moved on, as they are now.
        """
        moved: list[Run] = []
        for owner, heartbeat_at in self._store.claims.owners().items():
            if not self.is_dead(owner, heartbeat_at):
                continue
            for run in self._store.claims.of_owner(owner):
                if run.root_id in spared:
                    continue
                try:
                    found = self._end(run)
                except Exception:
                    # One run that cannot be ended (its folder, a lock) must not keep the others from it.
                    log.exception("run %s of the dead owner %s could not be ended", run.id, owner)
                    continue
                if found is not None:
                    moved.append(found)
        return moved

    def _end(self, run: Run) -> Run | None:
        claims, folder = self._store.claims, attempt_folder(self._store.place.data_dir, run)
        if run.parent_id is None and run.state_type is StateType.SCHEDULED and LAUNCH in run.details:
            claims.release(run)
            return self._store.runs.find(run.id)
        if run.state_type is StateType.PENDING and run.owner_id == run.lease_owner:
            known = facts.read_facts(folder)
            waited = (self._store.clock.now_us() - run.state_at) / 1_000_000
            if known is not None and known.is_alive() and waited < TAKE_OVER_SECONDS:
                return None
            facts.kill_strays(folder)
            if not facts.kill_attempt(folder):
                return None
            # No user code ran: nothing of the attempt is used up.
            return (
                self._store.runs.find(run.id)
                if claims.requeue(run, reason="its worker ended before it began")
                else None
            )
        if run.parent_id is None and not facts.kill_attempt(folder):
            return None
        end_kernel(run)
        ended = claims.end_attempt(run, Ending(reason=f"the process that ran it ({_who(run)}) is gone"))
        facts.kill_strays(folder)
        if ended is not None:
            recover(ended, self._store.place)
        return ended


def _who(run: Run) -> str:
    return f"pid {liveness.pid_of(run.owner_id)}" if run.owner_id else "unknown"
