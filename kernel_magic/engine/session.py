"""Where this process records: its store and recorder, and who it is."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.core import settings

if TYPE_CHECKING:
    from headrace.kernel_magic.results.shelf import Shelf
    from headrace.store.recorder import Recorder

_WATCHED = (settings.DATABASE_URL, settings.DATA_DIR, settings.HANDED, "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "HOME")


class Session:
    """What every run of this process has in common.

    Parameters
    ----------
    store : Store or None
        None in a process that relays its records to another one.
    recorder : Recorder
    owner_id : str
    ask : callable(verb, *arguments) or None
        Asks that other process for what only its store knows (see `headrace.kernel_magic.results.shelf`).
    """

    __slots__ = ("_ask", "_shelf", "deepest", "host", "owner", "owner_id", "pid", "prints", "recorder", "store")

    def __init__(self, store: Any, recorder: Recorder, owner_id: str, ask: Callable[..., Any] | None = None) -> None:
        self.store = store
        self._ask = ask
        self._shelf: Shelf | None = None
        self.recorder = recorder
        self.owner_id = owner_id
        self.owner = settings.user_name()
        self.host = socket.gethostname()
        self.pid = os.getpid()
        #: Whether prints of runs that do not say otherwise are recorded.
        self.prints = settings.flag("LOGGING_LOG_PRINTS")
        #: Runs inside runs, at most: one that calls itself without end is told so long before Python's own limit.
        self.deepest = int(settings.number("MAX_DEPTH", 100))

    @property
    def shelf(self) -> Shelf:
        """The stored results."""
        if self._shelf is None:
            from headrace.kernel_magic.results import shelf

            self._shelf = shelf.Shelf(self.store) if self._ask is None else shelf.far_shelf(self._ask)
        return self._shelf


_session: Session | None = None
_seen: tuple[Any, ...] = ()
_relay: Session | None = None


def session() -> Session:
    """Return this process's session; its store is opened at the first call.

    The store is looked for again when a variable that names it has changed, and
    after `headrace.store.forget_stores`.
    """
    global _session, _seen
    if _relay is not None and _relay.pid == os.getpid():
        return _relay
    from headrace import store as stores

    pid = os.getpid()
    seen = (pid, *map(os.environ.get, _WATCHED))
    found = _session
    if found is not None and seen == _seen and stores._stores.get((pid, found.store.place.url)) is found.store:
        return found
    from headrace.kernel_magic.engine import shutdown
    from headrace.store import liveness

    store = stores.get_store(record_only=True)
    _session = Session(store, store.recorder, liveness.owner_id())
    _seen = seen
    shutdown.register()
    return _session


def relay_to(here: Session) -> Session:
    """Make this process record through a relay to its submitter, and never open a store."""
    global _relay
    _relay = here
    return here
