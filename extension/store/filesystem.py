"""On which kind of file system a path lies: SQLite's shared memory works on local ones only.

Where it is not known the file system counts as local: SQLite finds out by itself when locks do not work.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from headrace.core import settings

#: Kinds of file systems that other machines may write to. FUSE ones are told by their name after the dot.
NETWORK = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "glusterfs", "lustre", "beegfs", "gpfs"),
        *("ocfs2", "gfs2", "orangefs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone"),
        *("fuse.gcsfuse", "fuse.juicefs", "fuse.mergerfs", "webdav", "davfs", "fuse.davfs2", "acfs", "panfs", "vboxsf"),
    }
)


def kind_of(path: Path) -> str:
    """Return the kind of file system a path lies on, e.g. "ext4" or "nfs4"; "" where it is not known.

    Parameters
    ----------
    path : Path
        Need not exist yet: its nearest folder that does counts. `HEADRACE_FILE_SYSTEM` overrides what is found.
    """
    told = settings.text("FILE_SYSTEM")
    if told:
        return told
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    return _kind(os.path.realpath(place))


@lru_cache(maxsize=64)
def _kind(path: str) -> str:
    best, kind = "", ""
    for point, found in _mounts():
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind


def _mounts() -> list[tuple[str, str]]:
    """Return (mount point, kind) of every mounted file system."""
    try:
        if sys.platform == "darwin":
            lines = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=True).stdout
            found = []
            for line in lines.splitlines():
                _, _, rest = line.partition(" on ")
                point, _, options = rest.rpartition(" (")
                found.append((point, options.partition(",")[0].rstrip(")")))
            return found
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except (OSError, subprocess.SubprocessError):
        return []
    found = []
    for line in text.splitlines():
        words, _, tail = line.partition(" - ")
        parts, kinds = words.split(" "), tail.split(" ")
        if len(parts) > 4 and kinds:
            found.append((parts[4].encode().decode("unicode_escape"), kinds[0]))
    return found


def is_network(path: Path) -> bool:
    """Return whether a path lies on a file system that other machines may write to."""
    return kind_of(path) in NETWORK
