"""Records that come from other processes, and their questions: a recorder there, a gate here.

A process that runs bodies for another one never opens the store: its batches
travel to the submitter, which writes them among its own, and so do its
questions about stored results, which the submitter answers. The submitter also
remembers which runs were begun there and which keys are held for them, so that
it can end and free them when that process dies.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from headrace.core import settings
from headrace.core.batch import Batch, Change
from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import UsageError
from headrace.core.events import RUN_STATE
from headrace.core.runs import RUN_COLUMNS
from headrace.core.states import TERMINAL, StateType
from headrace.kernel_magic.engine.session import Session, relay_to
from headrace.kernel_magic.runners.pool import ThreadPool

_ID, _PARENT = RUN_COLUMNS.index("id"), RUN_COLUMNS.index("parent_id")
_TERMINAL = frozenset(state.value for state in TERMINAL)
#: Takes a packed question and returns the packed answer.
Ask = Callable[[bytes], bytes]
#: So many questions of one process are answered at a time.
CLERKS = 4
#: Run id → who shows what the run shows elsewhere, called with (position, output as JSON text); it is not recorded then.
SHOWN_BY: dict[str, Callable[[int, str], None]] = {}


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


def relay_session(send: Callable[[str], None], ask: Ask, owner_id: str) -> Session:
    """Return a session whose records and questions go to a submitter.

    Parameters
    ----------
    send : callable(text)
    ask : callable(question) → answer
        Waits for it; StoreUnavailable where the submitter is gone.
    owner_id : str
    """
    from headrace.store.recorder import Recorder

    def asked(verb: str, *arguments: Any) -> Any:
        from headrace.kernel_magic.pickling import dumps

        well, value = pickle.loads(ask(dumps((verb, arguments))))  # noqa: S301  from our submitter
        if not well:
            raise value
        return value

    place: Any = SimpleNamespace(place=settings.find_store())
    return Session(None, Recorder(place, RelaySink(send)), owner_id, asked)


def relay_records(send: Callable[[str], None], ask: Ask, owner_id: str) -> Session:
    """Make this process hand everything that it records to its submitter."""
    return relay_to(relay_session(send, ask, owner_id))


class Gate:
    """Takes in what other processes record, and answers what they ask.

    Parameters
    ----------
    session : Session
        The submitter's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._recorder = session.recorder
        self._unfinished: dict[str, tuple[str, int]] = {}
        self._parents: dict[str, str | None] = {}
        #: Threads that answer: whoever hears a question goes on listening.
        self.clerks = ThreadPool(CLERKS)
        self._taken: dict[str, str] = {}

    def take_in(self, text: str) -> None:
        """Write a batch among this process's own records."""
        batch = Batch.from_json(text)
        for row in batch.runs:
            self._parents[row[_ID]] = row[_PARENT]
        for change in (*batch.births, *batch.changes):
            if change.kind == RUN_STATE:
                if change.state_type in _TERMINAL:
                    self._unfinished.pop(change.run_id, None)
                    self._parents.pop(change.run_id, None)
                else:
                    self._unfinished[change.run_id] = (change.root_id, change.attempt)
        if batch.outputs and SHOWN_BY:
            batch.outputs = [row for row in batch.outputs if not self._shown(row)]
        self._recorder.take_in(batch)

    def answer(self, question: bytes) -> bytes:
        """Return the packed answer to a packed question."""
        from headrace.kernel_magic.pickling import dumps
        from headrace.kernel_magic.results.shelf import VERBS

        verb, arguments = pickle.loads(question)  # noqa: S301  from a process that runs bodies for us
        try:
            if verb not in VERBS:
                raise UsageError(f"Nobody answers {verb!r}.")
            value = getattr(self._session.shelf, verb)(*arguments)
            if verb in ("take", "take_slots") and value:
                self._taken[arguments[0]] = arguments[1]
            elif verb == "give_back":
                self._taken.pop(arguments[0], None)
            return dumps((True, value))
        except Exception as error:
            return dumps((False, error))

    def _shown(self, row: tuple[str, str, int, int, str]) -> bool:
        show = SHOWN_BY.get(row[0])
        if show is not None:
            show(row[2], row[4])
        return show is not None

    def _is_below(self, run_id: str | None, ancestor: str) -> bool:
        while run_id is not None:
            if run_id == ancestor:
                return True
            run_id = self._parents.get(run_id)
        return False

    def crash(self, message: str, below: str | None = None) -> None:
        """End every run that the other process left unfinished, or only those below one run, and free what they held."""
        for key, run_id in list(self._taken.items()):
            if below is None or self._is_below(run_id, below):
                self._taken.pop(key, None)
                self._session.shelf.give_back(key)
        now = SYSTEM_CLOCK.now_us()
        error = json.dumps({"type": "CrashedRun", "message": message, "traceback": ""})
        unfinished = {
            run_id: facts
            for run_id, facts in list(self._unfinished.items())
            if below is None or self._is_below(run_id, below)
        }
        for run_id in unfinished:
            self._unfinished.pop(run_id, None)
            self._parents.pop(run_id, None)
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
