"""From the journal's events to the stream's messages (docs/developer/wire.md, "The stream")."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core import events as e
from headrace.core.events import Event
from headrace.store.watch import Watcher

if TYPE_CHECKING:
    from headrace.server.services import Services

#: Events read at a time; runs in a message.
EVENTS = 2000
RUNS = 500
#: An output is stored at most so long after it was made, µs (a recorder waits 50 ms, a locked store some seconds).
SETTLED_US = 15_000_000
#: What changes the numbers of `GET /counts`.
_COUNTED = frozenset({e.RUN_STATE, e.RUN_DELETED, e.RUN_CANCEL_REQUESTED})


@dataclass(slots=True)
class Batch:
    """What happened in a stretch of the journal, for any client.

    Parameters
    ----------
    seq : int
        The last event's sequence number.
    start : int
        The sequence number before its first event.
    roots : list of wire runs
    below : mapping of root id to wire runs below it
    at : mapping of run id to the sequence number of its last change
    deleted : list of run ids
    logs : mapping of root id to its number of lines
    outputs : mapping of root id to run ids
    rest : mapping
        The other keys of the message, as they are.
    """

    seq: int
    start: int = 0
    roots: list[dict[str, Any]] = field(default_factory=list)
    below: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    logs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, list[str]] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)

    def message(self, watched: frozenset[str], since: int = 0) -> dict[str, Any] | None:
        """Return the message for a client, None when there is nothing in it for it.

        Parameters
        ----------
        watched : frozenset of str
            The roots that it watches.
        since : int, default 0
            The sequence number up to which it has been told of runs.
        """
        all_runs = [*self.roots, *(run for root in watched for run in self.below.get(root, ()))]
        runs = [run for run in all_runs if self.at.get(run["id"], self.seq) > since][:RUNS]
        # Lines and outputs are no events: they come without a new sequence number.
        found: dict[str, Any] = {"runs": runs, "deleted": self.deleted, **self.rest} if self.seq > since else {}
        for name, mapping in (("logs", self.logs), ("outputs", self.outputs)):
            found[name] = {root: value for root, value in mapping.items() if root in watched}
        kept = {name: value for name, value in found.items() if value}
        return {"type": "changes", "seq": max(self.seq, since), **kept} if kept else None


class Reader:
    """Reads the journal from a place on.

    Parameters
    ----------
    services : Services
    seq : int or None, default the journal's end
    """

    def __init__(self, services: Services, seq: int | None = None) -> None:
        self._services = services
        self._store = services.store
        self.seq = self._store.journal.last_seq() if seq is None else seq
        self._watcher = Watcher(self._store.database)
        self._never = threading.Event()
        self._whose: dict[str, str] = {}
        self._log_seq = self._store.logs.last_seq()
        self._totals: dict[str, int] = {}
        self._outputs: set[tuple[str, str, int, int]] = set()
        #: The roots whose lines, outputs and lower runs somebody wants.
        self.watched: frozenset[str] = frozenset()

    def next(self, wait_seconds: float) -> Batch | None:
        """Return what is new, waiting a little for it; None when nothing is.

        Parameters
        ----------
        wait_seconds : float
        """
        if wait_seconds and not self._watcher.wait(wait_seconds, self._never):
            return None
        events = self._store.journal.after(self.seq, limit=EVENTS)
        roots = self._visible()
        logs, outputs = self._new_lines(roots), self._new_outputs(roots)
        if not events and not logs and not outputs:
            return None
        start = self.seq
        if events:
            self.seq = events[-1].seq
        batch = self._collect(events)
        batch.start = start
        batch.logs.update(logs)
        batch.outputs.update(outputs)
        return batch

    def _visible(self) -> frozenset[str]:
        """Return the watched roots that this server's person may see; anybody may ask to watch anything."""
        seen = self._services.seen_owner
        if seen is None:
            return self.watched
        strange = [root for root in self.watched if root not in self._whose]
        if strange:
            self._whose.update({run.id: run.owner for run in self._store.runs.many(strange)})
        return frozenset(root for root in self.watched if self._whose.get(root) == seen)

    def _new_lines(self, roots: frozenset[str]) -> dict[str, int]:
        """Return the number of lines of each watched tree that got some."""
        self._log_seq, added = self._store.logs.added(self._log_seq)
        for root in list(self._totals):
            if root not in roots:
                del self._totals[root]
        found: dict[str, int] = {}
        for root, count in added.items():
            if root in roots:
                known = self._totals.get(root)
                total = known + count if known is not None else self._store.logs.count(root)
                self._totals[root] = found[root] = total
        return found

    def _new_outputs(self, roots: frozenset[str]) -> dict[str, list[str]]:
        """Return the runs of watched trees that got outputs."""
        if not roots:
            return {}
        now = self._store.clock.now_us()
        rows = self._store.logs.outputs_since(sorted(roots), now - SETTLED_US)
        fresh = [row for row in rows if row not in self._outputs]
        self._outputs = set(rows)
        found: dict[str, dict[str, None]] = {}
        for root, run_id, _position, _at in fresh:
            found.setdefault(root, {})[run_id] = None
        return {root: list(ids) for root, ids in found.items()}

    def _collect(self, events: Iterable[Event]) -> Batch:
        batch = Batch(seq=self.seq)
        changed = batch.at
        lists: dict[str, dict[str, None]] = {"deployments": {}, "schedules": {}, "documents": {}, "artifacts": {}}
        seen = self._services.seen_owner
        counted = False
        for event in events:
            kind = event.kind
            # Whole runs are counted: what happens to their parts, often many a second, changes no number.
            counted = counted or (kind in _COUNTED and event.run_id in (None, event.root_id))
            if kind in (e.RUN_STATE, e.RUN_UPDATED, e.RUN_CANCEL_REQUESTED, e.RUN_FENCED):
                if event.run_id is not None:
                    changed[event.run_id] = event.seq
            elif kind == e.RUN_DELETED and event.subject_id is not None:
                if seen is None or event.owner in (None, "", seen):
                    batch.deleted.append(event.subject_id)
            elif seen is not None and event.owner not in (None, "", seen):
                continue
            elif kind in (e.DEPLOYMENT_CHANGED, e.DEPLOYMENT_DELETED):
                lists["deployments"][event.subject_id or ""] = None
            elif kind in (e.SCHEDULE_CHANGED, e.SCHEDULE_DELETED, e.SLOT_DECIDED):
                lists["schedules"][event.subject_id or ""] = None
                lists["deployments"][str(event.payload.get("deployment_id", ""))] = None
            elif kind == e.DOCUMENT_CHANGED:
                lists["documents"][event.subject_id or ""] = None
            elif kind == e.ARTIFACT_CREATED:
                lists["artifacts"][event.root_id or ""] = None
            elif kind == e.WORKER_CHANGED:
                batch.rest["workers"] = True
            elif kind == e.LIMIT_CHANGED:
                batch.rest["limits"] = True
        self._add_runs(batch, list(changed))
        batch.rest.update({name: [i for i in ids if i] for name, ids in lists.items()})
        if counted:
            batch.rest["counts"] = self._services.system.counts()
        return batch

    def _add_runs(self, batch: Batch, ids: list[str]) -> None:
        to_wire = self._services.runs.to_wire
        seen = self._services.seen_owner
        for run in self._store.runs.many(ids):
            if seen is not None and run.owner != seen:
                continue
            if run.parent_id is None:
                batch.roots.append(to_wire(run))
            else:
                batch.below.setdefault(run.root_id, []).append(to_wire(run))
