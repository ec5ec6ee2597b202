"""The notifier: finds what is worth telling and sends it, with retries. Any number may run on one database."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from headrace.core.errors import StoreError, one_line
from headrace.core.notices import Notice, shown
from headrace.core.settings import user_name
from headrace.server.notices.finding import find
from headrace.server.notices.sending import NotSent, send
from headrace.store.watch import Watcher

if TYPE_CHECKING:
    from headrace.store import Store

#: Waits between the tries of one notice, seconds; then it is given up.
RETRY_SECONDS = (10.0, 60.0, 300.0, 1800.0, 7200.0)
#: Something may be late without anything being written: looked at so often, seconds.
LOOK_SECONDS = 15.0
#: After something was written, so long until the next look: many runs may end at once, seconds.
SETTLE_SECONDS = 0.5
log = logging.getLogger("headrace.notices")


class Notifier:
    """Tells people what became of their deployments' runs.

    Parameters
    ----------
    store : Store
    owner : str or None, default this process's person
        Whose notices are sent.
    """

    def __init__(self, store: Store, *, owner: str | None = None) -> None:
        self._store = store
        self._owner = owner or user_name()
        self._stop = threading.Event()
        self._watcher = Watcher(store.database, eager=False)

    def run(self) -> None:
        """Find and send until told to stop."""
        said = False
        while not self._stop.is_set():
            try:
                self.tick()
                said = False
            except StoreError as error:
                if not said:
                    log.warning("notices wait for the store: %s", one_line(error))
                said = True
            except Exception:
                log.exception("the notifier goes on after a fault of its own")
            self._stop.wait(SETTLE_SECONDS)
            self._watcher.wait(self._pause(), self._stop)

    def _pause(self) -> float:
        try:
            due = self._store.notices.next_due(owner=self._owner)
        except StoreError:
            return LOOK_SECONDS
        if due is None:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(0.0, (due - self._store.clock.now_us()) / 1_000_000))

    def stop(self) -> None:
        """End `run` at the next look."""
        self._stop.set()

    def tick(self) -> int:
        """Find what is worth telling and send what is due, once.

        Returns
        -------
        int
            How many notices were tried.
        """
        self._store.notices.add(find(self._store, owner=self._owner))
        due = self._store.notices.next_due(owner=self._owner)
        tried = 0
        while due is not None and due <= self._store.clock.now_us() and not self._stop.is_set():
            claimed = self._store.notices.claim(owner=self._owner)
            if not claimed:
                break
            for notice in claimed:
                self._send(notice)
            tried += len(claimed)
            due = self._store.notices.next_due(owner=self._owner)
        return tried

    def _send(self, notice: Notice) -> None:
        try:
            send(notice)
        except NotSent as error:
            left = len(RETRY_SECONDS) - notice.attempts
            again = None if error.forever or left < 0 else RETRY_SECONDS[notice.attempts - 1]
            self._store.notices.failed(notice, error.message, again_seconds=again)
            log.warning("notice to %s %s: %s", shown(notice.address), "waits" if again else "given up", error.message)
        except Exception as error:
            # It would be claimed and fail again for ever, and those behind it with it.
            log.exception("notice to %s cannot be sent", shown(notice.address))
            self._store.notices.failed(notice, f"it cannot be sent ({type(error).__name__})", again_seconds=None)
        else:
            self._store.notices.sent(notice)
