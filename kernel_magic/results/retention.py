"""Stored results are capped: 10 GB or a tenth of the disk, the smaller (`HEADRACE_RESULTS_MAX_BYTES` sets it).

Oldest first, a task's last good result last; no run ever fails for it.
"""

from __future__ import annotations

import contextlib
import shutil

from headrace.core import settings
from headrace.kernel_magic.results import storage
from headrace.store import Store
from headrace.store.results import StoredResult

DEFAULT_MAX_BYTES = 10_000_000_000


def max_bytes(store: Store) -> int:
    """Return the cap, bytes."""
    chosen = settings.number("RESULTS_MAX_BYTES", -1)
    if chosen >= 0:
        return int(chosen)
    try:
        tenth = shutil.disk_usage(store.place.data_dir).total // 10
    except OSError:
        return DEFAULT_MAX_BYTES
    return min(DEFAULT_MAX_BYTES, tenth)


def prune(store: Store, *, limit_bytes: int | None = None, dry_run: bool = False) -> list[StoredResult]:
    """Remove results until no more than the cap is stored.

    Parameters
    ----------
    store : Store
    limit_bytes : int or None, default the cap
    dry_run : bool, default False
        Only say what would go.

    Returns
    -------
    list of StoredResult
        What was removed.
    """
    excess = store.results.total_bytes() - (max_bytes(store) if limit_bytes is None else limit_bytes)
    if excess <= 0:
        return []
    chosen = store.results.oldest(excess_bytes=excess)
    if not dry_run:
        store.results.forget([result.key for result in chosen])
        for result in chosen:
            with contextlib.suppress(OSError):
                storage.remove(result.storage)
    return chosen
