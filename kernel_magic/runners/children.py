"""Child processes that run bodies, seen from their parent: started, fed, interrupted, killed as a group."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from headrace.core.errors import CancelSignal
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, crashed, raised, timed_out
from headrace.kernel_magic.engine.session import Session
from headrace.kernel_magic.futures import wait_event
from headrace.kernel_magic.runners.relay import Gate
from headrace.kernel_magic.runners.wire import Channel, pack_call, unpack_outcome

#: A body that was asked to end has so long to clean up before its process is killed, seconds (Cancel: 2 s in all).
CLEAN_UP_SECONDS = 1.5
#: A process that has not begun a body after this long never will, seconds.
START_SECONDS = 120.0


class ChildProcess:
    """A process that runs one body at a time.

    Parameters
    ----------
    session : Session
        Whose records the child's go among.
    initializer : bytes or None
        A pickled (callable, arguments), called once in the child.
    """

    def __init__(self, session: Session, initializer: bytes | None = None) -> None:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, map(str, sys.path)))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "headrace.kernel_magic.runners.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._channel = Channel(self._process.stdout, self._process.stdin)  # type: ignore[arg-type]
        self._gate = Gate(session)
        self._answer: tuple[Any, ...] | None = None
        self._answered = threading.Event()
        self._begun = threading.Event()
        self._cancelled_at: float | None = None
        self._gone = False
        greeting = {"path": list(sys.path), "owner_id": session.owner_id, "initializer": initializer}
        try:
            self._channel.send("hello", greeting)
        except OSError:
            self._gone = True
        thread = threading.Thread(target=self._listen, name="headrace-child", daemon=True)
        thread._headrace_run = None  # type: ignore[attr-defined]
        thread.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it can take another body."""
        return not self._gone and self._process.poll() is None

    def _listen(self) -> None:
        while True:
            message = self._channel.receive()
            if message is None:
                self._gone = True
                self._channel.close()
                self._process.wait()
                self._answered.set()
                return
            if message[0] == "records":
                self._gate.take_in(message[1])
            elif message[0] == "ask":
                self._gate.clerks.do(functools.partial(self._answer_it, *message[1:]))
            elif message[0] == "text":
                stream = getattr(sys, message[1])
                stream.write(message[2])
            elif message[0] == "begun":
                self._begun.set()
            elif message[0] == "done":
                self._answer = message[1:]
                self._answered.set()

    def _answer_it(self, number: int, question: bytes) -> None:
        try:
            self._channel.send("answer", number, self._gate.answer(question))
        except (OSError, ValueError):  # it died meanwhile
            return

    def call(self, run: LiveRun, body: Any, limit: float | None) -> Outcome:
        """Run a body there and wait for its outcome.

        Parameters
        ----------
        run : LiveRun
        body : callable
        limit : float or None, seconds
            When it passes the process is killed with everything that it started.
        """
        try:
            data = pack_call(run, body)
        except Exception as error:
            return raised(error)
        self._answer = None
        self._answered.clear()
        self._begun.clear()
        run.handle = self
        try:
            if run.cancelled_above():
                return Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))
            try:
                self._channel.send("run", data)
            except (OSError, ValueError):
                return self._died(run)
            if not self._wait(run, limit):
                self.kill()
                return timed_out(f"{run.kind} run {run.name!r}", limit or 0.0)
        finally:
            run.handle = None
        if self._answer is None:
            if run.cancelled_above():
                self.kill()
                return Outcome(Kind.CANCEL, None, CancelSignal(run.reason_above()))
            return self._died(run)
        outcome = unpack_outcome(*self._answer)
        if outcome.kind is Kind.CANCEL and run.cancelled_above():
            outcome.error = CancelSignal(run.reason_above())
        return outcome

    def _wait(self, run: LiveRun, limit: float | None) -> bool:
        """Wait for the answer; the limit counts from the body's start, not the process's."""
        started = time.monotonic()
        while limit is not None and not self._answered.is_set() and not self._begun.wait(0.2):
            if time.monotonic() - started > START_SECONDS:
                return False
            if self._cancelled_at is not None:
                break
        deadline = None if limit is None else time.monotonic() + limit
        while True:
            left = 0.2 if deadline is None else max(0.0, min(0.2, deadline - time.monotonic()))
            if wait_event(self._answered, left):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            asked = self._cancelled_at
            if asked is not None and time.monotonic() - asked > CLEAN_UP_SECONDS:
                self.kill()
                self._answered.wait(1.0)
                return True

    def interrupt(self, run: LiveRun, reason: str) -> None:
        """Ask the body to end; its process is killed when it does not."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            try:
                self._channel.send("cancel", reason)
            except (OSError, ValueError):
                pass

    def _died(self, run: LiveRun) -> Outcome:
        code = self._process.wait()
        how = f"by signal {-code} ({_signal_name(-code)})" if code < 0 else f"with exit code {code}"
        message = f"the process {self.pid} that ran {run.kind} run {run.name!r} ended {how}"
        self._gate.crash(message)
        return crashed(message)

    def kill(self) -> None:
        """Kill it, with everything that it started."""
        self._gone = True
        kill_group(self._process)
        self._gate.crash(f"the process {self.pid} was stopped")

    def close(self) -> None:
        """Let it end: it has nothing more to do."""
        self._gone = True
        self._channel.end()


def kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill a process and its group."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def call_in_own_process(run: LiveRun, body: Any, limit: float | None) -> Outcome:
    """Run one body in a process of its own (`isolation="process"`)."""
    child = ChildProcess(run.session)
    try:
        return child.call(run, body, limit)
    finally:
        if child.usable:
            child.close()
