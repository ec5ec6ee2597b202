"""One attempt's process: started here, or started by a worker that is gone and taken over.

It stands in a session of its own, so that it outlives the worker and can be
stopped with all its children. A cancel asks three times, ever less politely:
SIGINT, after 5 s SIGTERM, after 5 more SIGKILL (DESIGN.md, "Cancel").
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from headrace.core.clock import Clock
from headrace.core.failpoints import reach
from headrace.core.runs import Run
from headrace.server.worker import facts
from headrace.server.worker.capture import Tail
from headrace.server.worker.command import Command
from headrace.store import liveness

#: How long each signal of a cancel is given, seconds.
GRACE_SECONDS = 5.0
#: A process enforces its run's time limit itself; so long after it, it is killed unasked, seconds (F-28: ≤ 15 s).
TIMEOUT_MARGIN_SECONDS = 5.0
#: How often the process of an adopted run is looked for, seconds.
LOOK_SECONDS = 0.25


class Child:
    """A process that executes an attempt.

    Parameters
    ----------
    run : Run
        As it was claimed or adopted.
    folder : Path
        The attempt's folder.
    clock : Clock
    tail : Tail
    process : subprocess.Popen or None
        None when it was adopted.
    """

    def __init__(
        self, run: Run, folder: Path, clock: Clock, tail: Tail, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.run = run
        self.folder = folder
        self.tail = tail
        self.timed_out = False
        self._clock = clock
        self._process = process
        self._facts = facts.read_facts(folder)
        self._stopping_since: float | None = None
        self._signals: list[tuple[float, int]] = []
        self._looked = -LOOK_SECONDS
        self._lives = True
        limit = (run.details.get("launch") or {}).get("timeout_seconds")
        began = run.started_at or clock.now_us()
        left = None if limit is None else float(limit) - (clock.now_us() - began) / 1_000_000
        self._deadline = None if left is None else clock.monotonic() + left + TIMEOUT_MARGIN_SECONDS

    @classmethod
    def start(cls, run: Run, command: Command, clock: Clock) -> Child:
        """Start an attempt's process in a session of its own, its output going to files.

        Raises
        ------
        OSError
            The operating system could not start it.
        """
        reach("after_claim_before_spawn")
        with (command.folder / "stdout.log").open("ab") as out, (command.folder / "stderr.log").open("ab") as err:
            process = subprocess.Popen(
                command.arguments,
                cwd=command.cwd,
                env=dict(command.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        reach("after_spawn_before_pid")
        known = facts.ProcessFacts.of(process.pid)
        if known is not None:
            facts.write_facts(command.folder, known)
        return cls(run, command.folder, clock, Tail(run, command.folder), process)

    @classmethod
    def warm(cls, run: Run, command: Command, clock: Clock, process: subprocess.Popen[bytes]) -> Child:
        """Watch over an attempt that a warm unit's process has taken."""
        known = facts.ProcessFacts.of(process.pid)
        if known is not None:
            facts.write_facts(command.folder, known)
        return cls(run, command.folder, clock, Tail(run, command.folder), process)

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid if self._process is not None else (self._facts.pid if self._facts else self.run.pid)

    @property
    def is_adopted(self) -> bool:
        """Whether another worker started it."""
        return self._process is None

    def exit_code(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), None while it lives; 0 where it cannot be known."""
        if self._process is not None:
            return self._process.poll()
        now = self._clock.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            owner = self.run.owner_id
            alive = liveness.is_alive(owner) if owner is not None and owner != self.run.lease_owner else False
            self._lives = bool(alive) or (self._facts is not None and self._facts.is_alive())
        return None if self._lives else 0

    def stop(self) -> None:
        """Begin to stop it; `step` goes on."""
        if self._stopping_since is None:
            now = self._clock.monotonic()
            self._stopping_since = now
            self._signals = [
                (now, signal.SIGINT),
                (now + GRACE_SECONDS, signal.SIGTERM),
                (now + 2 * GRACE_SECONDS, signal.SIGKILL),
            ]

    def step(self) -> None:
        """Send the signal whose time has come, and kill what passed its time limit."""
        now = self._clock.monotonic()
        while self._signals and now >= self._signals[0][0]:
            _, number = self._signals.pop(0)
            if number == signal.SIGKILL:
                facts.kill_attempt(self.folder)
                facts.kill_strays(self.folder)
            if self.pid is not None:
                facts.signal_group(self.pid, number)
        if self._deadline is not None and now >= self._deadline and not self._signals:
            self._deadline = None
            self.timed_out = True
            self.kill()

    def kill(self) -> None:
        """Kill it and its kernel with everything they started."""
        facts.kill_attempt(self.folder)
        facts.kill_strays(self.folder)
        if self.pid is not None:
            facts.signal_group(self.pid, signal.SIGKILL)

    def clear(self) -> bool:
        """Kill what the ended process left behind, and return whether nothing of it lives."""
        if self._process is not None and not facts.is_group_dead(self._process.pid):
            facts.signal_group(self._process.pid, signal.SIGKILL)
        dead = facts.kill_attempt(self.folder)
        return dead and (self._process is None or facts.is_group_dead(self._process.pid))


def how_it_ended(code: int) -> str:
    """Return an exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; the machine may have run out of memory" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def is_own_session() -> bool:
    """Return whether this process leads its session (a detached worker does)."""
    return hasattr(os, "getsid") and os.getsid(0) == os.getpid()
