"""What must be known of a process to stop it, or to say that it is gone, after the one that started it has died.

A process id alone may have been given to somebody else by now: it counts only
together with the process's start time and the machine's boot.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from headrace.server.worker.environment import ATTEMPT_DIR
from headrace.store import liveness

PROCESS_FILE = "process.json"
#: The runner writes the kernel's process beside it, in the same form.
KERNEL_FILE = "kernel.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """A process, told apart from any other.

    Parameters
    ----------
    pid : int
        Also its process group, for it was started in a session of its own.
    started : float
        When the operating system started it, seconds since 1970.
    host : str
        `liveness.host_key()` of where it runs (machine, boot and process-id namespace).
    """

    pid: int
    started: float
    host: str

    @classmethod
    def of(cls, pid: int) -> ProcessFacts | None:
        """Return the facts of a living process, None when it is gone."""
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time(), host=liveness.host_key())
        except psutil.Error:
            return None

    @property
    def is_here(self) -> bool:
        """Whether it runs (or ran) on this host since its last boot."""
        return self.host == liveness.host_key()

    def is_alive(self) -> bool:
        """Return whether this very process lives; a zombie does not."""
        if not self.is_here:
            return False
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def write_facts(folder: Path, facts: ProcessFacts, name: str = PROCESS_FILE) -> None:
    """Keep a process's facts in an attempt's folder, whole or not at all."""
    part = folder / f".{name}.part"
    part.write_text(json.dumps(asdict(facts)), encoding="utf-8")
    os.replace(part, folder / name)


def read_facts(folder: Path, name: str = PROCESS_FILE) -> ProcessFacts | None:
    """Return the facts kept in an attempt's folder, None when there are none."""
    try:
        data: Any = json.loads((folder / name).read_text(encoding="utf-8"))
        return ProcessFacts(pid=int(data["pid"]), started=float(data["started"]), host=str(data["host"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def group_members(pgid: int) -> list[psutil.Process]:
    """Return the living processes of a process group; zombies do not count."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == pgid and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue
    return found


def is_group_dead(pgid: int) -> bool:
    """Return whether no living process of a group is left."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return not group_members(pgid)


def signal_group(pgid: int, number: int) -> None:
    """Send a signal to every process of a group; a group that is gone is no fault."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill_attempt(folder: Path) -> bool:
    """Kill what an attempt left behind: the process and the kernel, with their groups.

    Returns
    -------
    bool
        Whether nothing of it is alive any more.
    """
    dead = True
    for name in (PROCESS_FILE, KERNEL_FILE):
        facts = read_facts(folder, name)
        if facts is None or not facts.is_here:
            continue
        # The leader may be gone while children of its group live on; the group's id cannot be taken by others then.
        if facts.is_alive() or _group_is_ours(facts):
            signal_group(facts.pid, signal.SIGKILL)
            dead = is_group_dead(facts.pid) and dead
    return dead


def kill_strays(folder: Path) -> None:
    """Kill what was started in an attempt and is in none of its groups any more: it still has the attempt's environment.

    So goes a kernel whose runner died before it could note it, and what began a session of its own (`setsid`).
    It is for attempts that did not end by themselves: what a run leaves behind on purpose is left alone.
    """
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(ATTEMPT_DIR) == str(folder):
                process.kill()
        except psutil.Error:
            continue


def _group_is_ours(facts: ProcessFacts) -> bool:
    """Return whether a group whose leader is gone is the attempt's and not that of a later process with its id.

    The attempt's leader began a session of its own, which its group is in.
    """
    members = group_members(facts.pid)
    return bool(members) and all(p.pid != facts.pid and _session(p.pid) == facts.pid for p in members)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
