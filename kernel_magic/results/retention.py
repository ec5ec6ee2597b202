"""Stored results are capped: 10 GB or a tenth of the disk, the smaller (`HEADRACE_RESULTS_MAX_BYTES` sets it).

Oldest first, a task's last good result last; no run ever fails for it.
"""

from __future__ import annotations

import contextlib
import shutil

from headrace.core import settings
from headrace.core.errors import StoreError
from headrace.kernel_magic.results import storage
from headrace.store import Store
from headrace.store.results import StoredResult

DEFAULT_MAX_BYTES = 10_000_000_000
#: The cap is looked at again when a process has stored this share of it.
_SHARE = 100

#: Bytes that this process has stored since it last looked, by store.
_since: dict[str, int] = {}


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


def prune(
    store: Store, *, limit_bytes: int | None = None, dry_run: bool = False, keep: str | None = None
) -> list[StoredResult]:
    """Remove what has expired, and more until no more than the cap is stored.

    Parameters
    ----------
    store : Store
    limit_bytes : int or None, default the cap
    dry_run : bool, default False
        Only say what would go.
    keep : str or None, default None
        A key that stays.

    Returns
    -------
    list of StoredResult
        What was removed.
    """
    excess = store.results.total_bytes() - (max_bytes(store) if limit_bytes is None else limit_bytes)
    chosen = [result for result in store.results.oldest(excess_bytes=excess) if result.key != keep]
    if not dry_run and chosen:
        store.results.forget([result.key for result in chosen])
        for result in chosen:
            with contextlib.suppress(OSError):
                storage.remove(result.storage)
    return chosen


def stored(store: Store, key: str, size: int) -> None:
    """Keep to the cap: looked at when a process stores its first result, and after each hundredth of it.

    Parameters
    ----------
    store : Store
    key : str
        Of the result that was just stored; it stays, however large it is.
    size : int, bytes
    """
    url = store.place.url
    known = _since.get(url)
    _since[url] = (known or 0) + size
    if known is not None and _since[url] * _SHARE < max_bytes(store):
        return
    _since[url] = 0
    with contextlib.suppress(StoreError):
        prune(store, keep=key)
