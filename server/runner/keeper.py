"""Watches over a kernel that may outlive its runner: `python keeper.py KEPT_FILE KERNEL_PID STARTED RUNNER_PID STARTED`.

A kernel that is to be kept must not die with its parent, so nothing would end
it when its runner is killed, or when its time is over. This small process does;
it uses the standard library only and is started as a file, so that it costs
little while it waits.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

LOOK_SECONDS = 0.5


def started(pid: int) -> str:
    """Return when a process started, in the system's ticks; "" where that cannot be told (see proc(5), field 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""


def lives(pid: int, since: str) -> bool:
    """Return whether the very process lives."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return not since or started(pid) == since


def kept(path: Path) -> dict[str, object] | None:
    """Return what stands in the kept file, None where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def main(arguments: list[str]) -> None:
    """Watch until the kernel has ended, and end it when nobody needs it any more."""
    path = Path(arguments[0])
    kernel, kernel_since, holder, holder_since = int(arguments[1]), arguments[2], int(arguments[3]), arguments[4]
    while lives(kernel, kernel_since):
        note = kept(path)
        if note is None:
            over = not lives(holder, holder_since)
        elif note.get("moved"):
            # It was continued and is kept again: the note of the newer run counts from now on.
            path.unlink(missing_ok=True)
            path.with_suffix(".lock").unlink(missing_ok=True)
            path = Path(str(note["moved"]))
            continue
        elif note.get("holder"):
            over = not lives(int(str(note["holder"])), str(note.get("holder_since", "")))
        else:
            over = time.time() >= float(str(note.get("until", 0)))
        if over:
            try:
                os.killpg(kernel, signal.SIGKILL)
            except OSError:
                break
        time.sleep(LOOK_SECONDS)
    note = kept(path)
    if note is not None:
        for folder in ("kernelspec", "sockets"):
            if note.get(folder):
                shutil.rmtree(str(note[folder]), ignore_errors=True)
        path.unlink(missing_ok=True)
        path.with_suffix(".lock").unlink(missing_ok=True)


if __name__ == "__main__" and os.fork() == 0:
    main(sys.argv[1:])
