"""Files that a cell reads, and whether they are still the same: by size and time, by content when in doubt."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

#: Files above this are judged by size and time alone, bytes.
HASHED_BYTES = 64 << 20

_known: dict[tuple[str, int, int], str] = {}


def mark(path: str) -> str:
    """Return a mark that changes when the file's content does; "missing" where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return "missing"
    if os.path.isdir(path):
        return f"folder {stat.st_mtime_ns}"
    if stat.st_size > HASHED_BYTES:
        return f"{stat.st_size} {stat.st_mtime_ns}"
    key = (path, stat.st_size, stat.st_mtime_ns)
    if key not in _known:
        if len(_known) > 10_000:
            _known.clear()
        try:
            _known[key] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        except OSError:
            return "unreadable"
    return _known[key]


def marks(paths: Iterable[str], globs: Iterable[str] = ()) -> dict[str, str]:
    """Return path → mark of literal paths and of what globs find; URLs are left out."""
    found = {path: mark(path) for path in paths if "://" not in path}
    for pattern in globs:
        matches = sorted(glob.glob(pattern, recursive=True))
        found[pattern] = hashlib.sha256("\n".join(f"{path} {mark(path)}" for path in matches).encode()).hexdigest()
    return found
