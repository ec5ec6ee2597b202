"""A process forks only between transactions, and its child begins with no connection of its parent's.

SQLite counts a process's file locks in memory. A child that finds its parent's connections there takes locks for held
that the kernel gave to its parent alone: another process may then remove the log of writes under it, and the file is
damaged ("How To Corrupt An SQLite Database File", section 2.6). Nor may it close them: that would undo in shared memory
what the parent is writing.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable

#: How long a fork waits for the transactions that are on, seconds; a writer that waits for its turn may take longer.
PATIENCE_SECONDS = 5.0


class ForkGate:
    """Lets threads use connections, except while the process forks; use it as a context manager around each use.

    Parameters
    ----------
    close : callable
        Closes the connections that nobody uses; called before a fork.
    forget : callable
        Called in the child.
    """

    def __init__(self, close: Callable[[], None], forget: Callable[[], None]) -> None:
        self._close = weakref.WeakMethod(close)
        self._forget = weakref.WeakMethod(forget)
        self._begin_anew()
        _gates.add(self)

    def _begin_anew(self) -> None:
        self._changed = threading.Condition()
        self._inside = threading.local()
        self._users = 0
        self._forking = False

    def __enter__(self) -> None:
        depth = getattr(self._inside, "depth", 0)
        with self._changed:
            # Who is inside already must be able to end what it does.
            while self._forking and not depth:
                self._changed.wait()
            self._users += 1
        self._inside.depth = depth + 1

    def __exit__(self, *_: object) -> None:
        self._inside.depth -= 1
        with self._changed:
            self._users -= 1
            self._changed.notify_all()

    def if_unused(self, work: Callable[[], None]) -> bool:
        """Do what nobody may be inside for, if nobody is; return whether it was done."""
        with self._changed:
            if self._users:
                return False
            work()
            return True

    def before_fork(self) -> None:
        """Let what is on end, keep others out, close what is open."""
        mine = getattr(self._inside, "depth", 0)
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            self._forking = True
            while self._users > mine and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
        if (close := self._close()) is not None:
            close()

    def after_in_parent(self) -> None:
        """Let others in again."""
        with self._changed:
            self._forking = False
            self._changed.notify_all()

    def after_in_child(self) -> None:
        """Begin anew: the threads that were inside are not here."""
        self._begin_anew()
        if (forget := self._forget()) is not None:
            forget()


_gates: weakref.WeakSet[ForkGate] = weakref.WeakSet()
#: Those that the fork under way found: both sides of it must treat the same ones.
_stopped: list[ForkGate] = []


def _before() -> None:
    _stopped[:] = list(_gates)
    for gate in _stopped:
        gate.before_fork()


def _in_parent() -> None:
    for gate in _stopped:
        gate.after_in_parent()
    _stopped.clear()


def _in_child() -> None:
    for gate in _stopped:
        gate.after_in_child()
    _stopped.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
