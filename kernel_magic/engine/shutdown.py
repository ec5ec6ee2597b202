"""The way out: what this process began is waited for, written, and its owner file removed."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable

_registered: int | None = None
_waits: list[Callable[[], None]] = []


def register() -> None:
    """Arrange the way out, once per process; called after the recorder's own, so that it runs before it."""
    global _registered
    if _registered != os.getpid():
        _registered = os.getpid()
        atexit.register(_leave, os.getpid())


def before(wait: Callable[[], None]) -> None:
    """Call `wait` at the exit, before the records are written for the last time."""
    _waits.append(wait)


def _leave(pid: int) -> None:
    if pid != os.getpid():
        return
    for wait in _waits:
        wait()
    from headrace.kernel_magic.engine import session

    here = session._session
    if here is not None and here.pid == pid:
        from headrace.core.errors import StoreError
        from headrace.store import liveness

        try:
            here.recorder.flush()
        except StoreError:
            return  # the recorder's own exit tries once more, and warns
        liveness.release()
