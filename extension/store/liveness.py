"""Who is alive: one owner file per process, held by a lock that the kernel releases at death.

`fcntl.lockf`, not `flock`: a `flock` stays held by forked children (DESIGN.md,
"Liveness"). Same host means the same machine id, boot id, process-id
namespace and a visible owner file; everything else is remote and judged by
heartbeats with the database's clock.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import socket
import threading
import time
from functools import lru_cache
from pathlib import Path

from headrace.core.ids import new_id
from headrace.core.settings import runtime_dir

try:
    import fcntl
except ImportError:  # Windows: owners are judged by heartbeat only
    fcntl = None  # type: ignore[assignment]

#: After this long without a heartbeat an owner on another host is dead, seconds (DESIGN.md, "Liveness").
REMOTE_DEATH_SECONDS = 45.0
HEARTBEAT_SECONDS = 10.0
#: An owner file that is younger may be of a process that has not locked it yet, seconds.
_YOUNG_SECONDS = 60.0

_lock = threading.Lock()
_mine: tuple[int, str, int, Path] | None = None


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


@lru_cache(maxsize=1)
def host_key() -> str:
    """Return 12 characters that are the same for all processes that can see each other's owner files."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    facts = [_read("/etc/machine-id") or socket.gethostname(), _read("/proc/sys/kernel/random/boot_id"), namespace]
    return hashlib.sha256("\0".join([*facts, str(runtime_dir())]).encode()).hexdigest()[:12]


def _path(owner_id: str) -> Path:
    return runtime_dir() / f"{owner_id}.owner"


def owner_id() -> str:
    """Return this process's owner id; its owner file is made and locked at the first call.

    Returns
    -------
    str
        "<host key>.<pid>.<random>".
    """
    global _mine
    if _mine is not None and _mine[0] == os.getpid():
        return _mine[1]
    with _lock:
        if _mine is None or _mine[0] != os.getpid():
            identity = f"{host_key()}.{os.getpid()}.{new_id()[-12:]}"
            path = _path(identity)
            handle = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
            if fcntl is not None:
                fcntl.lockf(handle, fcntl.LOCK_EX)
            _mine = (os.getpid(), identity, handle, path)
    return _mine[1]


def release() -> None:
    """Remove this process's owner file: it is about to end."""
    global _mine
    with _lock:
        if _mine is not None and _mine[0] == os.getpid():
            _mine[3].unlink(missing_ok=True)
            os.close(_mine[2])
            _mine = None


# Registered here, before the recorder's: what runs at exit runs in reverse, and the last records are written first.
atexit.register(release)


def sweep() -> None:
    """Remove the owner files of processes that were killed and that nobody has asked for."""
    for path in runtime_dir().glob(f"{host_key()}.*.owner"):
        try:
            # Files have the time of the machine, whatever clock a test hands in.
            if time.time() - path.stat().st_mtime > _YOUNG_SECONDS:
                is_alive(path.stem)
        except OSError:
            continue


def is_local(owner: str) -> bool:
    """Return whether the owner is (or was) on this host."""
    return owner.split(".", 1)[0] == host_key()


def is_alive(owner: str) -> bool | None:
    """Return whether an owner's process lives.

    Parameters
    ----------
    owner : str
        An owner id.

    Returns
    -------
    bool or None
        True or False on this host; None for another host (look at its heartbeat).
    """
    if _mine is not None and owner == _mine[1] and _mine[0] == os.getpid():
        return True
    if fcntl is None or not is_local(owner):
        return None
    try:
        handle = os.open(_path(owner), os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        _path(owner).unlink(missing_ok=True)
        return False
    finally:
        os.close(handle)


def pid_of(owner: str) -> int:
    """Return the process id in an owner id."""
    return int(owner.split(".")[1])
