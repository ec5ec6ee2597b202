"""One computation of a key at a time (SERIALIZABLE), among threads and among processes of a machine.

A file lock that the operating system releases at death: nobody waits for a
process that is gone. `lockf` does not tell threads of one process apart, so a
thread lock stands in front of it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from headrace.core import settings

try:
    import fcntl
except ImportError:  # Windows: only the threads of this process are kept apart
    fcntl = None  # type: ignore[assignment]

_threads: dict[str, threading.Lock] = {}
_guard = threading.Lock()


@contextmanager
def key_lock(key: str) -> Iterator[None]:
    """Hold a key: another holder, in whatever process of this machine, has ended before the block begins.

    Parameters
    ----------
    key : str
        A cache key.
    """
    name = hashlib.sha256(key.encode()).hexdigest()
    with _guard:
        lock = _threads.setdefault(name, threading.Lock())
    with lock:
        if fcntl is None:
            yield
            return
        folder = settings.data_dir() / "locks"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / name[:2], os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        # 256 files of many bytes: each key locks one byte of the file that its first characters name.
        place = int(name[2:10], 16)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX, 1, place)
            yield
        finally:
            fcntl.lockf(handle, fcntl.LOCK_UN, 1, place)
            os.close(handle)


def hold_key(key: str) -> Callable[[], None]:
    """Take a key as `key_lock` does and return the function that lets it go, once."""
    stack = ExitStack()
    stack.enter_context(key_lock(key))
    return stack.close
