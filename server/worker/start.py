"""Start a detached worker where none is alive for a pool, and find the ones that are.

One auto-started worker a store and pool: the new process takes a lock in the
runtime folder first and leaves at once when another one holds it, so that any
number of servers may ask at the same time.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from headrace.core.deployments import DEFAULT_POOL
from headrace.core.settings import StorePlace, runtime_dir
from headrace.server.worker.environment import clean_environment, outside_of_runs, store_variables
from headrace.store import liveness

try:
    import fcntl
except ImportError:  # Windows: the store's row of the worker is the only guard
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from headrace.core.deployments import Worker
    from headrace.store import Store

#: A worker that was asked to leave needs so long at most: its drain, and what its threads are at, seconds.
LEAVE_SECONDS = 40.0
#: On it a worker leaves as on SIGTERM and begins anew in the same process.
RENEW = getattr(signal, "SIGUSR1", signal.SIGTERM)


def log_path(place: StorePlace, pool: str) -> Path:
    """Return where a detached worker writes its log."""
    name = "".join(ch if ch.isalnum() or ch in "-_" else "_" for ch in pool)
    return place.data_dir / "logs" / f"worker-{name}.log"


def take_lock(place: StorePlace, pool: str) -> IO[str] | None:
    """Take the lock of the auto-started worker of a store and pool.

    Returns
    -------
    file or None
        Held while it is open; None when another process holds it.
    """
    key = hashlib.sha256(f"{place.url}\0{pool}".encode()).hexdigest()[:16]
    handle = (runtime_dir() / f"worker-{key}.lock").open("a", encoding="utf-8")
    if fcntl is not None:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return None
    return handle


def start_worker(place: StorePlace, *, pool: str = DEFAULT_POOL, limit: int | None = None, wait: float = 0) -> int:
    """Start a detached worker and return its process id; it leaves by itself when another one has the pool.

    Parameters
    ----------
    place : StorePlace
    pool : str, default "default"
    limit : int or None, default the number of cores
    wait : float, default 0
        So long the other one may need to leave, seconds.
    """
    log = log_path(place, pool)
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = [sys.executable, "-m", "headrace.server.worker", "--auto", "--pool", pool]
    if limit is not None:
        arguments += ["--limit", str(limit)]
    if wait:
        arguments += ["--wait-seconds", f"{wait:g}"]
    # Another umask must not open the log to others.
    with os.fdopen(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "ab") as out:
        process = subprocess.Popen(
            arguments,
            cwd=str(Path.home()),
            env={**outside_of_runs(clean_environment()), **store_variables(place)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return process.pid


def ensure_worker(store: Store, *, owner: str, pool: str = DEFAULT_POOL) -> bool:
    """Start a worker unless one is alive for the pool; those of another version on this host are replaced.

    Their runs go on, and the new worker takes them over.

    Returns
    -------
    bool
        Whether one was started.
    """
    from headrace import __version__

    alive = store.workers.alive(pool=pool, owner=owner)
    leaving = [w for w in alive if w.version != __version__ and _replace(w)]
    if len(alive) > len(leaving):
        return False
    start_worker(store.place, pool=pool, wait=LEAVE_SECONDS if leaving else 0)
    return True


def _replace(worker: Worker) -> bool:
    """Have a worker of another version leave, or begin anew where it is; return whether it leaves."""
    if not liveness.is_local(worker.owner_id):
        return False
    pid = liveness.pid_of(worker.owner_id)
    if worker.details.get("auto"):
        os.kill(pid, signal.SIGTERM)
        return True
    # Somebody started it, or the machine did: it goes on as what it is, with the code that is there now.
    if worker.details.get("python") == sys.executable:
        os.kill(pid, RENEW)
    return False
