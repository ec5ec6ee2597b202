"""Processes of a run: told from later ones with the same id, killed by group, their end put into words."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process and its children may use, as far as the operating system limits it (Linux).

    Parameters
    ----------
    memory_bytes : int or None
        Of private writable memory, each process (RLIMIT_DATA): what code allocates, not what libraries map.
    cpu_seconds : int or None
        Processor time, each process; past it the process is ended by SIGXCPU.
    """

    memory_bytes: int | None = None
    cpu_seconds: int | None = None

    def check(self) -> None:
        """Refuse limits where the operating system has none for a process that runs already.

        Raises
        ------
        UsageError
        """
        import resource

        if not hasattr(resource, "prlimit"):
            raise UsageError("Limits of memory and processor time need Linux.", field="memory_limit_bytes")

    def apply(self, pid: int) -> None:
        """Limit a process that has just been started."""
        import resource

        if self.memory_bytes is not None:
            resource.prlimit(pid, resource.RLIMIT_DATA, (self.memory_bytes, self.memory_bytes))
        if self.cpu_seconds is not None:
            resource.prlimit(pid, resource.RLIMIT_CPU, (self.cpu_seconds, self.cpu_seconds + 5))


def process_facts(pid: int | None) -> dict[str, Any]:
    """Return a process's id, group and start, so that it can be told from a later one with the same id."""
    if pid is None:
        return {}
    facts: dict[str, Any] = {"pid": pid, "started": process_start(pid)}
    if hasattr(os, "getpgid"):
        try:
            facts["pgid"] = os.getpgid(pid)
        except ProcessLookupError:
            pass
    return facts


def process_start(pid: int) -> str:
    """Return when a process started, in the kernel's own ticks (Linux); "" where that cannot be told."""
    try:
        # Field 22 of proc(5)'s stat; the command's name before it may hold blanks and parentheses.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def kill_group(pgid: int, *, started: str | None = None) -> bool:
    """Kill a process group, if it is (still) the one that is meant.

    Parameters
    ----------
    pgid : int
    started : str or None, default None
        What `process_start` said of the group's leader; None kills whatever is in the group.

    Returns
    -------
    bool
        Whether there was something to kill.
    """
    if not hasattr(os, "killpg") or pgid == os.getpgrp():
        return False
    if started:
        now = process_start(pgid)
        if now != started and (now or not _is_session(pgid)):
            return False
    try:
        os.killpg(pgid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_session(pgid: int) -> bool:
    """Return whether a group is the one of a session: a kernel begins its own, a later process with its id seldom does."""
    import psutil

    members = 0
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == pgid:
                members += 1
                if os.getsid(pid) != pgid:
                    return False
        except OSError:
            continue
    return members > 0


def describe_exit(code: int | None) -> str:
    """Return an exit code in a few words."""
    if code is None:
        return "its exit code is not known"
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", possibly out of memory" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"
