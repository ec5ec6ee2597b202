"""What is removed of the folders of attempts: those of runs that were deleted, by a person or by retention."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.server.worker.command import ATTEMPTS
from headrace.server.worker.facts import read_facts

if TYPE_CHECKING:
    from headrace.store import Store

#: A folder that is younger may be of a run that another store's process has just made, seconds.
YOUNG_SECONDS = 3600.0
#: Folders that are looked at in one call, from a place by chance on: nobody waits for a hundred thousand.
MOST = 500


def remove_leftovers(store: Store) -> int:
    """Remove folders of attempts whose run is not in the store any more.

    Parameters
    ----------
    store : Store

    Returns
    -------
    int
        How many.
    """
    folder = store.place.data_dir / ATTEMPTS
    try:
        with os.scandir(folder) as found:
            old = sorted(entry.name for entry in found if time.time() - entry.stat().st_mtime > YOUNG_SECONDS)
    except OSError:
        return 0
    begin = random.randrange(len(old)) if len(old) > MOST else 0
    chosen = (old[begin:] + old[:begin])[:MOST]
    known = {run.id for run in store.runs.many(chosen)}
    # A database of another name may have its runs in the same folder: what lives is not touched.
    gone = [name for name in chosen if name not in known and not _lives(folder / name)]
    for name in gone:
        shutil.rmtree(folder / name, ignore_errors=True)
    return len(gone)


def _lives(folder: Path) -> bool:
    attempts = [facts for each in folder.iterdir() if (facts := read_facts(each)) is not None]
    return any(facts.is_alive() for facts in attempts)
