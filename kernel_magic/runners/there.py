"""What runs on a cluster's worker: a body, with context and records that travel back to its submitter.

Many submitters may use one worker process at a time, so each channel has a
session of its own; the runs that a body begins inherit it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from headrace.core.errors import StoreUnavailable
from headrace.kernel_magic.engine import session as sessions
from headrace.kernel_magic.engine.call import call
from headrace.kernel_magic.engine.live import CANCELS, LIVE
from headrace.kernel_magic.engine.outcome import Outcome, crashed, raised
from headrace.kernel_magic.engine.session import Session
from headrace.kernel_magic.runners.relay import Ask, relay_session

_lock = threading.Lock()
_channels: dict[str, Session] = {}
#: So many submitters are remembered.
_MOST = 64
#: A submitter that has not answered after this long never will, seconds; a large result may take long to store.
ANSWER_SECONDS = 600.0


def channel(name: str, send: Callable[[str], None], ask: Ask, owner_id: str) -> Session:
    """Return the session whose records and questions go to one submitter."""
    with _lock:
        found = _channels.get(name)
        if found is None:
            own = sessions._session
            if own is not None and own.owner_id == owner_id:
                return own  # a cluster inside the submitter's own process: it records as ever
            while len(_channels) >= _MOST:
                del _channels[next(iter(_channels))]
            found = _channels[name] = relay_session(send, ask, owner_id)
            if own is None:
                sessions._relay = found
        return found


def do(data: bytes, here: Session, begun: Callable[[], None]) -> tuple[str, bytes]:
    """Run a packed body and return its packed outcome.

    Parameters
    ----------
    data : bytes
        From `wire.pack_call`.
    here : Session
    begun : callable
        Called when the body is about to start.
    """
    from headrace.kernel_magic.runners.child import _refused
    from headrace.kernel_magic.runners.wire import forget, pack_outcome, unpack_call

    try:
        run, body = unpack_call(data, here)
    except BaseException as error:
        return _refused(error)
    if run.prints:
        from headrace.kernel_magic.run_logging import record_prints

        record_prints()
    begun()
    try:
        outcome = _call(run, body)
        if run.flow.futures:
            from headrace.kernel_magic.futures import settle_all

            settle_all(run.flow, outcome)
    except BaseException as error:
        outcome = raised(error)
    here.recorder.flush()
    forget(run)
    return pack_outcome(run, outcome)


def _call(run: Any, body: Any) -> Outcome:
    if getattr(run.options, "isolation", None) == "process":
        from headrace.kernel_magic.runners.children import call_in_own_process

        return call_in_own_process(run, body, None)
    return call(run, body)


def interrupt_there(run_id: str, reason: str) -> bool:
    """Interrupt a run's body in this process; return whether it was found."""
    from headrace.kernel_magic.engine.interrupt import interrupt

    run = LIVE.get(run_id)
    if run is None:
        return False
    CANCELS.asked = True
    run.cancel_reason = reason
    return interrupt(run)


def unanswered() -> StoreUnavailable:
    """Return the error of a question that the submitter has not answered."""
    return StoreUnavailable("The process that submitted this task does not answer what its results are.")


def lost(what: str) -> tuple[str, bytes]:
    """Return the outcome of a body that may not be run here: another worker began it, and died."""
    from headrace.kernel_magic.pickling import dumps

    outcome = crashed(f"the worker that ran {what} was lost")
    return outcome.kind.value, dumps((None, outcome.error, ""))
