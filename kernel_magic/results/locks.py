"""One computation of a key at a time (SERIALIZABLE), among threads and among processes of a machine.

A file lock that the operating system releases at death: nobody waits for a
process that is gone. `lockf` does not tell threads of one process apart, so a
set of the keys that this process holds stands in front of it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from headrace.core import settings

try:
    import fcntl
except ImportError:  # Windows: only the threads of this process are kept apart
    fcntl = None  # type: ignore[assignment]

_held: set[tuple[int, str]] = set()
_guard = threading.Lock()
_files: dict[Path, int] = {}


def try_key(key: str) -> Callable[[], None] | None:
    """Hold a key if nobody else does, in whatever process of this machine.

    Parameters
    ----------
    key : str
        A cache key.

    Returns
    -------
    callable or None
        Lets it go; None where it is held.
    """
    name = hashlib.sha256(key.encode()).hexdigest()
    mine = (os.getpid(), name)
    with _guard:
        if mine in _held:
            return None
        if fcntl is None:
            _held.add(mine)
            return lambda: _held.discard(mine)
        file, place = _file(), int(name[:15], 16)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # either may be said, POSIX leaves it open
            return None
        _held.add(mine)

    def let_go() -> None:
        with _guard:
            if mine in _held:
                _held.discard(mine)
                fcntl.lockf(file, fcntl.LOCK_UN, 1, place)

    return let_go


def _file() -> int:
    """Return the file whose bytes stand for keys; it stays open, for closing it would let go of every key in it."""
    path = settings.data_dir() / "locks" / "keys"
    if path not in _files:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _files[path] = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    return _files[path]
