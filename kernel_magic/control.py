"""The control thread: what others ask of this process's runs, and the sign that it lives.

One daemon thread per process, started with the first run that is committed. It
looks at the journal for cancel requests (every 250 ms; `PRAGMA data_version`
costs 3 µs), interrupts exactly the runs that were named, and writes a heartbeat
every 10 s for observers on other hosts. Nothing joins it on the way out.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidTransition, StoreError
from headrace.core.events import RUN_CANCEL_REQUESTED
from headrace.core.states import StateType
from headrace.kernel_magic.engine import interrupt
from headrace.kernel_magic.engine.call import BELL
from headrace.kernel_magic.engine.live import CANCELS, LIVE, LiveRun
from headrace.kernel_magic.engine.session import Session

if TYPE_CHECKING:
    from headrace.store import Store

#: How often the store is looked at, seconds (DESIGN.md, "Order and wake-up").
LOOK_SECONDS = 0.25
#: How often the runs of dead processes are looked for, seconds (CRASHED within 10 s on the same host).
REAP_SECONDS = 8.0
HEARTBEAT_SECONDS = 10.0
#: A run that is asked to end is looked after this often until it has, seconds.
TEND_SECONDS = 0.05
#: After this long a cancelled run says what it waits for, seconds (DESIGN.md, "Cancel").
SAY_SECONDS = 2.0
#: The clean-up of a body that was interrupted has this long before it is interrupted again, seconds.
GRACE_SECONDS = 5.0
#: Whoever closes a store waits so long for this thread to let go of it, seconds.
CLOSE_SECONDS = 2.0
#: So long after the last run has ended the thread still looks, seconds; then it sleeps until the next one.
LINGER_SECONDS = 2.0

log = logging.getLogger("headrace.control")


class Control:
    """Watches the store for requests, and interrupts runs.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.pid = os.getpid()
        self._wake = threading.Event()
        self._asleep = self._replaced = False
        self._asked: dict[str, tuple[float, float]] = {}
        self._said: set[str] = set()
        self._version = -1
        store = session.store
        self._seq = _last_seq(store) if store is not None else 0
        self._thread = threading.Thread(target=self._work, name="headrace-control", daemon=True)
        self._thread._headrace_run = None  # type: ignore[attr-defined]
        self._thread.start()
        if store is not None:
            store.before_close(self.end)

    def rouse(self) -> None:
        """Wake the thread: a run begins, or one was asked to end."""
        if self._asleep or self._asked:
            self._wake.set()

    def end(self) -> None:
        """Let the thread end: the process records somewhere else now, or its store is being closed."""
        self._replaced = True
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_SECONDS)

    def ask(self, run: LiveRun, reason: str) -> None:
        """Ask a run of this process to end, and look after it until it has."""
        CANCELS.asked = True
        if run.cancel_reason is None:
            run.cancel_reason = reason
        self._asked.setdefault(run.id, (time.monotonic(), 0.0))
        with BELL:
            BELL.notify_all()
        from headrace.kernel_magic.engine.timers import timers

        timers().look()
        self._wake.set()

    def _work(self) -> None:
        looked = beat = busy = time.monotonic()
        reaped = looked - REAP_SECONDS
        while not self._replaced:
            self._wake.wait(TEND_SECONDS if self._asked else LOOK_SECONDS)
            self._wake.clear()
            now = time.monotonic()
            try:
                if self._replaced:
                    return
                self._tend(now)
                if now - looked >= LOOK_SECONDS:
                    looked = now
                    self._look()
                if now - beat >= HEARTBEAT_SECONDS:
                    beat = now
                    self._beat()
                if now - reaped >= REAP_SECONDS:
                    reaped = now
                    self._reap()
            except StoreError:  # locked or gone for now: the runs go on, and so does this thread
                continue
            except Exception as error:
                log.warning("the control thread met an error and goes on: %r", error)
            if LIVE:
                busy = now
            elif now - busy > LINGER_SECONDS:
                self._asleep = True
                if not LIVE and not self._replaced:
                    self._wake.wait()
                self._asleep = False
                busy = time.monotonic()

    def _look(self) -> None:
        """Find requests that came since the last look."""
        store = self.session.store
        if store is None or not LIVE:
            return
        database = store.database
        if database.dialect == "sqlite":
            version = database.data_version()
            if version == self._version:
                return
            self._version = version
        last = _last_seq(store)
        events = store.journal.after(self._seq, kinds=[RUN_CANCEL_REQUESTED])
        self._seq = max(last, *(event.seq for event in events)) if events else last
        for event in events:
            run = LIVE.get(event.run_id or "")
            if run is not None:
                self.ask(run, _reason(store, run.id))

    def _tend(self, now: float) -> None:
        """Interrupt what was asked to end and has not."""
        for run_id, (since, last) in list(self._asked.items()):
            run = LIVE.get(run_id)
            if run is None:
                del self._asked[run_id]
                self._said.discard(run_id)
                continue
            if now - last >= GRACE_SECONDS and interrupt.interrupt(run):
                self._asked[run_id] = (since, now)
            if now - since >= SAY_SECONDS and run_id not in self._said:
                self._said.add(run_id)
                self._say(run)

    def _say(self, run: LiveRun) -> None:
        """Let the run say what its end waits for."""
        store = self.session.store
        if store is None:
            return
        message = f"{run.cancel_reason}; waits for {interrupt.waits_for(run)}"
        try:
            self.session.recorder.flush()
            store.runs.advance(run.id, StateType.CANCELLING, "Cancelling", attempt=run.attempt, message=message)
        except InvalidTransition:
            pass  # it ended meanwhile

    def _reap(self) -> None:
        """End the runs of dead processes: whoever runs flows looks for them."""
        store = self.session.store
        if store is None:
            return
        from headrace.store.reaping import reap

        reap(store)

    def _beat(self) -> None:
        store = self.session.store
        if store is None:
            return
        from headrace.store.reaping import heartbeat

        heartbeat(store, [run.id for run in list(LIVE.values()) if run.parent is None])


def _last_seq(store: Store) -> int:
    try:
        return store.journal.last_seq()
    except StoreError:
        return 0


def _reason(store: Store, run_id: str) -> str:
    """Return the reason that was given with a request: the message of the CANCELLING state."""
    for event in reversed(store.runs.history(run_id)):
        if event.state_type == StateType.CANCELLING.value and event.message:
            return event.message
    return "cancelled by the user"


_control: Control | None = None
_lock = threading.Lock()


def watch(session: Session) -> Control:
    """Return this process's control thread, started at the first call; wake it when it sleeps."""
    global _control
    control = _control
    if control is None or control.session is not session or control.pid != os.getpid() or control._replaced:
        with _lock:
            control = _control
            if control is None or control.session is not session or control.pid != os.getpid() or control._replaced:
                if control is not None and control.pid == os.getpid():
                    control.end()
                control = _control = Control(session)
    if control._asleep:
        control.rouse()
    interrupt.listen()
    return control


def cancel(run: LiveRun, reason: str = "cancelled by the program") -> None:
    """Ask a run of this process to end; its children end with it.

    Parameters
    ----------
    run : LiveRun
    reason : str
        Shown with the state.
    """
    watch(run.session).ask(run, reason)


def cancel_run(run_id: str, reason: str = "cancelled by the program") -> Any:
    """Ask any run to end, whatever process runs it.

    Parameters
    ----------
    run_id : str
    reason : str

    Returns
    -------
    Run
        As the store has it now.

    Raises
    ------
    NotFound, Conflict
    """
    from headrace.kernel_magic.engine.session import session

    here = session()
    here.recorder.flush()
    found = here.store.runs.request_cancel(run_id, reason=reason)
    run = LIVE.get(run_id)
    if run is not None:
        cancel(run, reason)
    return found
