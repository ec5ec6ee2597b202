"""Records that come from other processes: a recorder there, a gate here.

A process that runs bodies for another one never opens the store: its batches
travel to the submitter, which writes them among its own. The submitter also
remembers which runs were begun there, so that it can end them when that
process dies.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from headrace.core import settings
from headrace.core.batch import Batch, Change
from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.events import RUN_STATE
from headrace.core.states import TERMINAL, StateType
from headrace.kernel_magic.engine.session import Session, relay_to

if TYPE_CHECKING:
    from headrace.store.recorder import Recorder

_TERMINAL = frozenset(state.value for state in TERMINAL)


class RelaySink:
    """Sends batches to the submitter (see RecordSink).

    Parameters
    ----------
    send : callable(text)
        Hands over one batch as JSON.
    """

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send

    def write(self, batch: Batch) -> list[str]:
        """Send a batch; the submitter's store does the fencing."""
        self._send(batch.to_json())
        return []

    def close(self) -> None:
        """Hold nothing."""


def relay_records(send: Callable[[str], None], owner_id: str) -> Session:
    """Make this process hand everything that it records to its submitter."""
    from headrace.store.recorder import Recorder

    place: Any = SimpleNamespace(place=settings.find_store())
    return relay_to(Recorder(place, RelaySink(send)), owner_id)


class Gate:
    """Takes in what one other process records.

    Parameters
    ----------
    recorder : Recorder
        The submitter's.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._unfinished: dict[str, tuple[str, int]] = {}

    def take_in(self, text: str) -> None:
        """Write a batch among this process's own records."""
        batch = Batch.from_json(text)
        for change in (*batch.births, *batch.changes):
            if change.kind == RUN_STATE:
                if change.state_type in _TERMINAL:
                    self._unfinished.pop(change.run_id, None)
                else:
                    self._unfinished[change.run_id] = (change.root_id, change.attempt)
        self._recorder.take_in(batch)

    def crash(self, message: str) -> None:
        """End every run that the other process left unfinished."""
        now = SYSTEM_CLOCK.now_us()
        error = json.dumps({"type": "CrashedRun", "message": message, "traceback": ""})
        unfinished, self._unfinished = self._unfinished, {}
        changes = [
            Change(
                run_id,
                root_id,
                attempt,
                StateType.CRASHED.value,
                "Crashed",
                message,
                now,
                {"ended_at": now, "error": error},
            )
            for run_id, (root_id, attempt) in unfinished.items()
        ]
        if changes:
            self._recorder.take_in(Batch(changes=changes))
